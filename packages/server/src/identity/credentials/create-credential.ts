import type { UseLimits } from "../../access/actor.ts";
import type { CredentialScope } from "../../access/credential-scope.ts";
import { AppError } from "../../lib/app-error.ts";
import { newSecret } from "../../lib/ids.ts";
import type { IpNetwork } from "../../lib/ip-network.ts";
import type { Tx } from "../../storage/database/database.ts";
import {
  type AccessToken,
  type AccessTokenKind,
  insertAccessToken,
} from "../access-tokens/access-token-store.ts";
import { newAccessTokenSecret } from "../access-tokens/secret.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { insertSecret } from "./secret-store.ts";
import { checkSuppliedSecret } from "./supplied-secret.ts";

export interface NewCredential {
  readonly userId: number;
  /** Whose it is; what the secret is shown together with. */
  readonly username: string;
  readonly kind: AccessTokenKind;
  readonly name: string;
  readonly description?: string | undefined;
  /** Undefined = all that the account may. */
  readonly scopes?: readonly CredentialScope[] | undefined;
  /** Undefined = from anywhere. */
  readonly networks?: readonly IpNetwork[] | undefined;
  readonly notBeforeMs?: number | undefined;
  readonly expiresAtMs?: number | undefined;
  readonly limits?: UseLimits | undefined;
  /** Thought of by the caller; undefined = one is made. Only accounts that have no password can have one. */
  readonly suppliedSecret?: string | undefined;
}

export interface CreatedCredential {
  readonly token: AccessToken;
  /** Told now and never again. */
  readonly secret: string;
}

type Deps = Pick<IdentityDeps, "secretBox" | "clock">;

/**
 * Makes a credential of any account, in the caller's transaction. Nobody needs to forget anything for it: that a credential is not there is never
 * remembered. `ALREADY_EXISTS` when the account has one of that name; `REQUEST_INVALID` for a life that is over or a secret that is too weak.
 */
export async function createCredential(
  tx: Tx,
  deps: Deps,
  credential: NewCredential,
): Promise<CreatedCredential> {
  const { userId, name, expiresAtMs, notBeforeMs } = credential;
  const nowMs = deps.clock.nowMs();
  if (expiresAtMs !== undefined && expiresAtMs <= Math.max(nowMs, notBeforeMs ?? 0)) {
    throw new AppError("REQUEST_INVALID", "the token would have expired already");
  }
  const made = makeSecret(deps, credential, credential.suppliedSecret);
  const token = await insertAccessToken(tx, {
    userId,
    publicId: newSecret().slice(0, 22),
    kind: credential.kind,
    name,
    description: credential.description ?? "",
    scopes: credential.scopes,
    networks: credential.networks,
    nowMs,
    notBeforeMs,
    expiresAtMs,
    limits: credential.limits,
  });
  if (token === undefined) {
    throw new AppError("ALREADY_EXISTS", `there is a token named ${JSON.stringify(name)} already`);
  }
  await insertSecret(tx, { accessTokenId: token.id, secretHash: made.hash, nowMs });
  return { token, secret: made.secret };
}

/** A secret and what is kept of it. */
export function makeSecret(
  { secretBox }: Pick<IdentityDeps, "secretBox">,
  account: { readonly userId: number; readonly username: string },
  supplied: string | undefined,
): { readonly secret: string; readonly hash: string } {
  if (supplied === undefined) {
    const secret = newAccessTokenSecret();
    return { secret, hash: secretBox.hash(secret) };
  }
  checkSuppliedSecret(supplied, account.username);
  return { secret: supplied, hash: secretBox.hash(suppliedSecretKey(account.userId, supplied)) };
}

/** Hashed together with its account, by what outlives a rename: two that think of the same secret do not learn of each other. */
export function suppliedSecretKey(userId: number, secret: string): string {
  return `${userId}\0${secret}`;
}
