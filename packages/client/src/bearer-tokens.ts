import { type Challenge } from "@entrepot/oci/challenge";
import { isObject } from "@entrepot/oci/json-object";
import { basicAuthorization, type Credentials } from "./credentials.ts";
import type { HttpResponse, HttpTransport } from "./http-transport.ts";
import { readErrorText, readJson } from "./read-body.ts";
import { RegistryError, refusal } from "./registry-error.ts";

/** A Bearer token and how long it may be used. */
export interface BearerToken {
  readonly token: string;
  readonly expiresInMs: number;
}

export interface TokenRequest {
  readonly realm: URL;
  readonly service: string | undefined;
  /** Scopes, separated by spaces; "" only proves who one is. */
  readonly scope: string;
  readonly credentials: Credentials | undefined;
  readonly signal?: AbortSignal;
}

const clientId = "entrepot";

/**
 * Asks a token service for a token: by GET with Basic credentials (Docker token specification), and where that is not offered by the OAuth2
 * form, which a refresh token always needs. Safe to repeat. A refusal is a `RegistryError` with the service's status.
 */
export async function fetchBearerToken(
  transport: HttpTransport,
  request: TokenRequest,
): Promise<BearerToken> {
  const what = "get a token";
  let response =
    request.credentials?.kind === "refresh-token"
      ? await postForm(transport, request, what)
      : await getToken(transport, request, what);
  const isGetUnknown = response.status === 404 || response.status === 405 || response.status === 400;
  if (isGetUnknown && request.credentials?.kind === "password") {
    await response.body.dump();
    response = await postForm(transport, request, what);
  }
  if (response.status !== 200) {
    throw refusal(what, request.realm.host, response.status, await readErrorText(response));
  }
  return parseToken(await readJson(response, `the token of ${request.realm.host}`), request.realm.host);
}

async function getToken(
  transport: HttpTransport,
  request: TokenRequest,
  what: string,
): Promise<HttpResponse> {
  const url = new URL(request.realm);
  if (request.service !== undefined) url.searchParams.set("service", request.service);
  for (const scope of request.scope.split(" ").filter((part) => part !== "")) {
    url.searchParams.append("scope", scope);
  }
  url.searchParams.set("client_id", clientId);
  const { credentials, signal } = request;
  const headers =
    credentials?.kind === "password"
      ? { authorization: basicAuthorization(credentials.username, credentials.password) }
      : {};
  return transport.send({ method: "GET", url, headers, mayRepeat: true, what, ...(signal && { signal }) });
}

async function postForm(
  transport: HttpTransport,
  request: TokenRequest,
  what: string,
): Promise<HttpResponse> {
  const form = new URLSearchParams({ client_id: clientId, scope: request.scope });
  if (request.service !== undefined) form.set("service", request.service);
  const { credentials, signal } = request;
  if (credentials?.kind === "refresh-token") {
    form.set("grant_type", "refresh_token");
    form.set("refresh_token", credentials.token);
  } else if (credentials?.kind === "password") {
    form.set("grant_type", "password");
    form.set("username", credentials.username);
    form.set("password", credentials.password);
  }
  return transport.send({
    method: "POST",
    url: request.realm,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: () => Buffer.from(form.toString()),
    mayRepeat: true,
    what,
    ...(signal && { signal }),
  });
}

/** Docker token specification: `token` or `access_token`, `expires_in` 60 when absent. */
function parseToken(json: unknown, host: string): BearerToken {
  const reply = isObject(json) ? json : {};
  const token = [reply["token"], reply["access_token"]].find(
    (value): value is string => typeof value === "string" && value !== "",
  );
  // A token goes into a header: whatever could end one is refused here.
  if (token === undefined || !/^[\x21-\x7e]+$/.test(token)) {
    throw new RegistryError(`the token service at ${host} answered without a token`, { code: "BAD_ANSWER" });
  }
  const seconds = reply["expires_in"];
  const isUsable = typeof seconds === "number" && Number.isFinite(seconds) && seconds > 0;
  return { token, expiresInMs: (isUsable ? seconds : 60) * 1_000 };
}

/**
 * Where a challenge sends its client. `BAD_ANSWER` when the address is missing or malformed, or plain http although the registry speaks https:
 * the password would be readable on the way.
 */
export function realmOf(challenge: Challenge, origin: URL): URL {
  const realm = challenge.parameters["realm"] ?? "";
  if (!URL.canParse(realm) || !/^https?:/.test(realm)) {
    throw new RegistryError(`${origin.host} names no usable token service`, { code: "BAD_ANSWER" });
  }
  const url = new URL(realm);
  if (origin.protocol === "https:" && url.protocol !== "https:") {
    throw new RegistryError(
      `${origin.host} sends its clients to ${url.origin} for tokens, which is not encrypted; nothing was sent there`,
      { code: "BAD_ANSWER" },
    );
  }
  return url;
}
