import type { Scope } from "@entrepot/oci/scope";

/** Who makes a request, as authentication found out. What they may do is decided afresh from grants, never stored here. */
export type Actor = AnonymousActor | UserActor;

export interface AnonymousActor {
  readonly kind: "anonymous";
  /** The scopes of the token presented, if an (anonymous) token was; undefined = no limit beyond the anonymous rights. */
  readonly limits: readonly Scope[] | undefined;
  readonly credentialScopes: undefined;
}

export interface UserActor {
  readonly kind: "user";
  readonly userId: number;
  readonly username: string;
  readonly isAdmin: boolean;
  /** What they showed: decides what an audit line says and what revocation must reach. */
  readonly credential: "password" | "access-token" | "refresh-token" | "bearer-token";
  /** Set when an access token was shown, directly or through a token that was got with it. */
  readonly accessTokenId: number | undefined;
  /**
   * Tells apart the passwords that a user has had: set when one was shown, directly or through a token that was got with it. A token issued
   * for this actor dies when the password is changed.
   */
  readonly passwordEpoch?: string | undefined;
  /** The scopes that the bearer token shown carries; a wider one can be had. Undefined = no bearer token was shown. */
  readonly limits: readonly Scope[] | undefined;
  /** The scopes that its owner gave an access token when making it; nothing wider can be had with it. Undefined = not limited. */
  readonly credentialScopes: readonly Scope[] | undefined;
}

export const anonymous: AnonymousActor = {
  kind: "anonymous",
  limits: undefined,
  credentialScopes: undefined,
};

/** The name that history, events and logs show. */
export function actorName(actor: Actor): string {
  return actor.kind === "user" ? actor.username : "anonymous";
}
