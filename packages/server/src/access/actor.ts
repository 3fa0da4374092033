import type { Scope } from "@entrepot/oci/scope";
import type { CredentialScope } from "./credential-scope.ts";

/** Who makes a request, as authentication found out. What they may do is decided afresh from grants, never stored here. */
export type Actor = AnonymousActor | UserActor | ExternalActor;

/** What an account is for: people; robots, which a namespace owns; accounts that an issuer made for its customers; and issuers themselves. */
export const accountKinds = ["person", "robot", "issued", "issuer"] as const;
export type AccountKind = (typeof accountKinds)[number];

export interface AnonymousActor {
  readonly kind: "anonymous";
  /** The scopes of the token presented, if an (anonymous) token was; undefined = no limit beyond the anonymous rights. */
  readonly limits: readonly Scope[] | undefined;
  readonly credentialScopes: undefined;
}

export interface UserActor {
  readonly kind: "user";
  readonly account: AccountKind;
  readonly userId: number;
  readonly username: string;
  readonly isAdmin: boolean;
  /** May read every setting and the audit log, and change nothing by it. */
  readonly isAuditor: boolean;
  /** What they showed: decides what an audit line says and what revocation must reach. */
  readonly credential:
    | "password"
    | "client-password"
    | "access-token"
    | "refresh-token"
    | "bearer-token"
    | "session";
  /** Set when an access token was shown, directly or through a token that was got with it. */
  readonly accessTokenId: number | undefined;
  /** Which of its two secrets that was: what is got with a secret ends with it. Undefined = not known, or no access token. */
  readonly secretId?: number;
  /** Elevations that they hold now; what they do is recorded as done under these. */
  readonly elevationIds?: readonly number[];
  /** An administrator for the time of an elevation only: must not make that last. */
  readonly isElevatedAdmin?: boolean;
  /** Set when a browser session was shown. */
  readonly sessionId?: number | undefined;
  /** When the owner of the session last proved who they are; set with `sessionId`. */
  readonly authenticatedAtMs?: number | undefined;
  /** When they last did so with a second factor; undefined = not in this session. */
  readonly mfaAtMs?: number | undefined;
  /**
   * Tells apart the passwords that a user has had: set when one was shown, directly or through a token that was got with it. A token issued
   * for this actor dies when the password is changed.
   */
  readonly passwordEpoch?: string | undefined;
  /** The scopes that the bearer token shown carries; a wider one can be had. Undefined = no bearer token was shown. */
  readonly limits: readonly Scope[] | undefined;
  /** The scopes that its owner gave an access token when making it; nothing wider can be had with it. Undefined = not limited. */
  readonly credentialScopes: readonly CredentialScope[] | undefined;
  /** An account that an issuer made: it may do what its scopes carry, which are those of its issuer's box, without any grant. */
  readonly isGivenByIssuer?: boolean | undefined;
  /** What was shown is for the registry and its tokens, and no good for the management API. */
  readonly isForRegistryOnly?: boolean | undefined;
  /** How often what was shown may be used. Undefined = as often as anything. */
  readonly useLimits?: UseLimits | undefined;
}

/** How often a credential may be used; undefined = no limit of its own. */
export interface UseLimits {
  readonly maxPullsPerHour: number | undefined;
  readonly maxRequestsPerMinute: number | undefined;
}

/** Somebody whom the registry does not know, but a decision point or a token issuer outside does. Has no rights of their own here. */
export interface ExternalActor {
  readonly kind: "external";
  /** Who vouches for them: decides where their rights are asked for. */
  readonly authority: string;
  /** What the authority calls them; stable. */
  readonly principal: string;
  /** What people call them; ends up in history and logs. */
  readonly username: string;
  readonly limits: readonly Scope[] | undefined;
  /** Set when the authority said once and for all what they may (a token signed by a trusted issuer). Undefined = ask it. */
  readonly credentialScopes: readonly CredentialScope[] | undefined;
}

export const anonymous: AnonymousActor = {
  kind: "anonymous",
  limits: undefined,
  credentialScopes: undefined,
};

/** Whether less can be done with what was shown than its holder may. */
export function isLimited(actor: Actor): boolean {
  if (actor.limits !== undefined || actor.credentialScopes !== undefined) return true;
  return actor.kind === "user" && actor.isForRegistryOnly === true;
}

/** The name that history, events and logs show. */
export function actorName(actor: Actor): string {
  return actor.kind === "anonymous" ? "anonymous" : actor.username;
}
