import { isObject } from "@entrepot/oci/json-object";
import { AppError } from "../../lib/app-error.ts";
import type { OutgoingHttp, OutgoingReply, OutgoingRequest } from "../../lib/outgoing-http.ts";

export interface ProviderReply {
  readonly status: number;
  readonly headers: OutgoingReply["headers"];
  /** The JSON object; an empty one when the body is none. */
  readonly json: Readonly<Record<string, unknown>>;
  /** The JSON list; empty when the body is none. */
  readonly list: readonly unknown[];
}

export type AskProvider = (
  url: string,
  request?: Omit<OutgoingRequest, "timeoutMs">,
) => Promise<ProviderReply>;

/** Requests to a provider that speaks JSON. Throws when it does not answer, is asked too much (429), or is at fault (5xx). */
export function createAskProvider(
  outgoing: OutgoingHttp,
  settings: { readonly timeoutSeconds?: number },
): AskProvider {
  const timeoutMs = (settings.timeoutSeconds ?? 5) * 1_000;
  return async (url, request = {}) => {
    const reply = await outgoing.request(url, {
      ...request,
      headers: { accept: "application/json", ...request.headers },
      timeoutMs,
    });
    // No failure: it answers, and resting would have everybody wait for what one address did.
    if (reply.status === 429)
      throw new AppError("OVERLOADED", `${new URL(url).host} is asked too much at once`);
    if (reply.status >= 500) {
      throw new AppError("UNAVAILABLE", `${new URL(url).host} is in trouble (${reply.status})`);
    }
    const value = parse(reply.body);
    return {
      status: reply.status,
      headers: reply.headers,
      json: isObject(value) ? value : {},
      list: Array.isArray(value) ? value : [],
    };
  };
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}

/** A text field of a JSON object; undefined when it is none. */
export function textIn(value: unknown, ...path: readonly string[]): string | undefined {
  let found = value;
  for (const name of path) found = isObject(found) ? found[name] : undefined;
  return typeof found === "string" && found !== "" ? found : undefined;
}
