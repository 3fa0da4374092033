import type { IncomingHttpHeaders } from "node:http";
import { type Actor, anonymous, type UserActor } from "../../access/actor.ts";
import type { CallSite } from "../../http/http-deps.ts";
import { AppError } from "../../lib/app-error.ts";
import { accessTokenPrefix } from "../access-tokens/secret.ts";
import type { TokenVerifier } from "../token-service/verify-token.ts";
import { maxAuthorizationLength } from "./credential-limits.ts";
import type { SecretVerifier } from "./verify-secret.ts";

/**
 * Finds out who makes a request from its Authorization header or, where there is none and cookies count, from its session. None = anonymous; a header
 * that is wrong or none of ours = `UNAUTHORIZED`; a session that has ended = anonymous.
 */
export function createAuthenticator(
  secrets: SecretVerifier,
  tokens: TokenVerifier,
  findSession: (headers: IncomingHttpHeaders, site: CallSite) => Promise<UserActor | undefined>,
): (headers: IncomingHttpHeaders, remoteAddress: string, site?: CallSite) => Promise<Actor> {
  return async (headers, remoteAddress, site) => {
    const header = headers.authorization;
    if (header === undefined) {
      const hasCookie = site !== undefined && headers.cookie !== undefined;
      return (hasCookie ? await findSession(headers, site) : undefined) ?? anonymous;
    }
    if (header.length > maxAuthorizationLength) throw refused("it is too long");
    const [scheme = "", value = "", ...rest] = header.split(" ").filter((part) => part !== "");
    if (value === "" || rest.length > 0) throw refused("it must be a scheme and one value");
    switch (scheme.toLowerCase()) {
      case "bearer":
        return value.startsWith(accessTokenPrefix)
          ? secrets.verifyAccessToken(value, remoteAddress)
          : tokens.verify(value, remoteAddress);
      case "basic": {
        const { username, secret } = parseBasic(value);
        return secrets.verify(username, secret, remoteAddress);
      }
      default:
        throw refused("the registry takes Basic and Bearer");
    }
  };
}

/** User name and secret of a Basic credential (RFC 7617). `UNAUTHORIZED` when it is none. */
export function parseBasic(value: string): { readonly username: string; readonly secret: string } {
  const text = /^[A-Za-z0-9+/_-]+={0,2}$/.test(value) ? Buffer.from(value, "base64").toString("utf8") : "";
  const colon = text.indexOf(":");
  if (colon < 0) throw refused("a Basic credential is user:password in base64");
  return { username: text.slice(0, colon), secret: text.slice(colon + 1) };
}

function refused(problem: string): AppError {
  return new AppError("UNAUTHORIZED", `the Authorization header cannot be used: ${problem}`);
}
