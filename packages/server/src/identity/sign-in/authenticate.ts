import type { IncomingHttpHeaders } from "node:http";
import { parseScopes } from "@entrepot/oci/scope";
import { type Actor, anonymous, type UserActor } from "../../access/actor.ts";
import type { CallSite, RequestTarget } from "../../http/http-deps.ts";
import { AppError } from "../../lib/app-error.ts";
import type { MaybePromise } from "../../lib/maybe-promise.ts";
import { accessTokenPrefix } from "../access-tokens/secret.ts";
import { namedIn, type SignInSite } from "../decision-points/sign-in-outside.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { TokenVerifier } from "../token-service/verify-token.ts";
import { maxAuthorizationLength } from "./credential-limits.ts";
import { verifyAnywhere } from "./verify-anywhere.ts";
import type { SecretVerifier } from "./verify-secret.ts";

/** `target` is what the request is about, as far as a credential that is known outside only must know. */
export type Authenticate = (
  headers: IncomingHttpHeaders,
  remoteAddress: string,
  site?: CallSite,
  target?: RequestTarget,
) => MaybePromise<Actor>;

/**
 * Finds out who makes a request from its Authorization header or, where there is none and cookies count, from its session. None = anonymous; a header
 * that is wrong or none of ours = `UNAUTHORIZED`; a session that has ended = anonymous.
 */
export function createAuthenticator(
  secrets: SecretVerifier,
  tokens: TokenVerifier,
  findSession: (headers: IncomingHttpHeaders, site: CallSite) => Promise<UserActor | undefined>,
  deps: Pick<IdentityDeps, "cache" | "database" | "outside" | "passwordsOnRegistry">,
): Authenticate {
  const { outside } = deps;
  async function byForeignToken(
    value: string,
    site: SignInSite,
    shown: { readonly remoteAddress: string; readonly takesEnded: (() => Promise<boolean>) | undefined },
  ): Promise<Actor> {
    return (
      (await outside?.verifyToken(value, shown.takesEnded)) ??
      (await outside?.signIn({ kind: "token", token: value }, site)) ??
      tokens.verify(value, shown.remoteAddress)
    );
  }

  return (headers, remoteAddress, site, target) => {
    const header = headers.authorization;
    if (header === undefined) {
      if (site === undefined || headers.cookie === undefined) return anonymous;
      return findSession(headers, site).then((found) => found ?? anonymous);
    }
    if (header.length > maxAuthorizationLength) throw refused("it is too long");
    const siteOf = (): SignInSite => ({
      remoteAddress,
      userAgent: headers["user-agent"],
      get repositories() {
        return repositoriesOf(target);
      },
    });
    const { scheme, value } = splitHeader(header);
    switch (scheme.toLowerCase()) {
      case "bearer":
        if (value.startsWith(accessTokenPrefix)) return secrets.verifyAccessToken(value, remoteAddress);
        if (outside === undefined || tokens.isOurs(value))
          return tokens.verify(value, remoteAddress, target?.takesEndedToken);
        return byForeignToken(value, siteOf(), { remoteAddress, takesEnded: target?.takesEndedToken });
      case "basic": {
        // Only the management API has a site.
        return verifyAnywhere(deps, secrets, parseBasic(value), siteOf(), site === undefined);
      }
      default:
        throw refused("the registry takes Basic and Bearer");
    }
  };
}

/** RFC 9110, 11.4, with any number of spaces. */
function splitHeader(header: string): { readonly scheme: string; readonly value: string } {
  const end = header.indexOf(" ");
  const scheme = header.slice(0, Math.max(0, end));
  const value = header.slice(end).trim();
  if (scheme === "" || value === "" || value.includes(" "))
    throw refused("it must be a scheme and one value");
  return { scheme, value };
}

/** The repositories that a request is about: the one in its path, or those for which it asks a token. */
function repositoriesOf(target: RequestTarget | undefined): readonly string[] {
  const name = target?.params["name"];
  if (name !== undefined) return [name];
  const scopes = parseScopes(target?.query.getAll("scope").join(" ") ?? "");
  return namedIn(scopes);
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
