import { readFile } from "node:fs/promises";
import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { basicAuthorization } from "@entrepot/client/credentials";
import { createHttpTransport, type HttpResponse } from "@entrepot/client/http-transport";
import { printable } from "@entrepot/client/printable";
import { readErrorText, readJson } from "@entrepot/client/read-body";
import { RegistryError } from "@entrepot/client/registry-error";
import { isObject } from "@entrepot/oci/json-object";
import type { CliContext } from "./cli-context.ts";
import { findCredentials } from "./docker-config.ts";
import { findOrigin } from "./registry-access.ts";

/**
 * One request to the management API with the stored credentials; the answer as JSON, undefined when there is none. A refusal is an `Error` in the
 * server's own words. Repeated only when it is a GET: what a lost answer did is not known.
 */
export function requestManagement(
  context: CliContext,
  host: string,
  request: ManagementRequest,
): Promise<unknown> {
  return withAnswer(context, host, request, async (response) =>
    response.status === 204 ? undefined : readJson(response, `the answer of ${host}`),
  );
}

/** Copies an answer of any length as it comes; the target stays open. Refusals as for `requestManagement`. */
export function downloadManagement(
  context: CliContext,
  host: string,
  request: { readonly path: string; readonly what: string },
  target: Writable,
): Promise<void> {
  return withAnswer(context, host, { ...request, method: "GET" }, (response) =>
    pipeline(response.body, target, { end: false }),
  );
}

interface ManagementRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
  readonly what: string;
  /** How the caller proves who they are, in place of the stored credentials; names in lower case. */
  readonly proof?: Readonly<Record<string, string>>;
}

/** As `requestManagement`, for whoever needs more of the answer than its body; the answer is gone when `use` has ended. */
export async function withAnswer<T>(
  context: CliContext,
  host: string,
  request: ManagementRequest,
  use: (response: HttpResponse) => Promise<T>,
): Promise<T> {
  const { options, signal } = context;
  const proof = request.proof ?? (await storedProof(context, host));
  const transport = createHttpTransport({
    ...(options.caFile !== undefined && { certificateAuthority: await readFile(options.caFile, "utf8") }),
    ...(options.insecure === true && { acceptAnyCertificate: true }),
  });
  try {
    const { method, what, body } = request;
    const response = await transport.send({
      method,
      url: new URL(request.path, await findOrigin(host, context)),
      headers: {
        ...proof,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: () => Buffer.from(JSON.stringify(body)) }),
      mayRepeat: method === "GET",
      what,
      signal,
    });
    if (response.status >= 200 && response.status < 300) return await use(response);
    throw refusalOf(await readErrorText(response), { what, host, status: response.status });
  } finally {
    await transport.close();
  }
}

async function storedProof(context: CliContext, host: string): Promise<Readonly<Record<string, string>>> {
  const credentials = await findCredentials(context.environment.dockerConfigDir, host);
  if (credentials?.kind !== "password") {
    const problem =
      credentials === undefined
        ? "needs credentials for this"
        : "needs a user name and password or access token for this, and docker keeps something else";
    throw new RegistryError(`${host} ${problem}`, { status: 401, code: "UNAUTHORIZED", host });
  }
  return { authorization: basicAuthorization(credentials.username, credentials.password) };
}

/** A refusal in the server's own words (RFC 9457: `detail` explains this occurrence, `title` is the kind of problem); `NO_ENTREPOT` when it has none. */
export function refusalOf(
  body: string,
  { what, host, status }: { readonly what: string; readonly host: string; readonly status: number },
): RegistryError {
  const problem = parseObject(body);
  const { detail, title } = problem;
  const isOurs = typeof detail === "string" && typeof title === "string";
  // A load balancer speaks for a registry that is gone for a moment.
  const isInTrouble = status >= 500 || status === 429;
  const otherwise = isInTrouble
    ? "the registry, or what stands before it, has a problem"
    : "it answers as no Entrepôt does";
  const said = isOurs ? printable(detail) : otherwise;
  return new RegistryError(`cannot ${what} at ${host}: ${said} (${status})`, {
    status,
    code: isOurs ? title : isInTrouble ? "UNKNOWN" : "NO_ENTREPOT",
    host,
  });
}

function parseObject(body: string): Readonly<Record<string, unknown>> {
  try {
    const json: unknown = JSON.parse(body);
    return isObject(json) ? json : {};
  } catch {
    return {};
  }
}
