import type { UseLimits, UserActor } from "../../access/actor.ts";
import { isInNetworks } from "../../lib/ip-network.ts";
import type { AccessToken } from "../access-tokens/access-token-store.ts";
import type { CredentialSecret } from "../credentials/secret-store.ts";
import type { User } from "../users/user-store.ts";

/** A user who may sign in, and what they sign in with: an access token, or else their password. */
export interface Living {
  readonly user: User;
  readonly accessToken: AccessToken | undefined;
  /** Those of the access token that are there, past ones perhaps included. */
  readonly secrets?: readonly Pick<CredentialSecret, "id" | "expiresAtMs">[];
  /** Of the present password; undefined with an access token, which outlives a change of the password. */
  readonly passwordEpoch: string | undefined;
}

/** Whether the account may be used at all. */
export function isActive(user: User, nowMs: number): boolean {
  return !user.isDisabled && (user.expiresAtMs === undefined || user.expiresAtMs > nowMs);
}

/** Whether a token may be used now, from that address. */
export function isUsable(token: AccessToken, nowMs: number, remoteAddress: string): boolean {
  if (token.expiresAtMs !== undefined && token.expiresAtMs <= nowMs) return false;
  if (token.notBeforeMs !== undefined && token.notBeforeMs > nowMs) return false;
  return token.networks === undefined || isInNetworks(token.networks, remoteAddress);
}

/** Whether the secret is still one of the access token's; what was got with it ends with it. */
export function hasSecret({ secrets = [] }: Living, secretId: number, nowMs: number): boolean {
  return secrets.some(
    ({ id, expiresAtMs }) => id === secretId && (expiresAtMs === undefined || expiresAtMs > nowMs),
  );
}

/** The actor of a user who has shown a credential; `secretId` is that of the access token's secret, where one was shown or led to it. */
export function actorOf(
  { user, accessToken, passwordEpoch }: Living,
  credential: UserActor["credential"],
  secretId?: number,
): UserActor {
  return {
    kind: "user",
    account: user.kind,
    userId: user.id,
    username: user.username,
    isAdmin: user.isAdmin,
    isAuditor: user.isAuditor,
    credential,
    accessTokenId: accessToken?.id,
    ...(secretId === undefined ? {} : { secretId }),
    passwordEpoch,
    limits: undefined,
    credentialScopes: accessToken?.scopes,
    ...(user.kind === "issued" && accessToken?.kind === "issued" ? { isGivenByIssuer: true } : {}),
    ...(hasLimits(accessToken?.limits) ? { useLimits: accessToken?.limits } : {}),
    ...(isForRegistryOnly(accessToken, credential) ? { isForRegistryOnly: true } : {}),
  };
}

function hasLimits(limits: UseLimits | undefined): boolean {
  return limits?.maxPullsPerHour !== undefined || limits?.maxRequestsPerMinute !== undefined;
}

function isForRegistryOnly(
  accessToken: AccessToken | undefined,
  credential: UserActor["credential"],
): boolean {
  return (
    credential === "client-password" || accessToken?.kind === "application" || accessToken?.kind === "issued"
  );
}
