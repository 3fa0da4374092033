import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { makeSecret } from "./create-credential.ts";
import { deleteSecret, findSecret, insertSecret, limitSecret, listSecrets } from "./secret-store.ts";

/** How long the old secret stays good when nobody says: a day, so that everything that uses it can be told. */
export const defaultGraceSeconds = 86_400;
/** Two good secrets are meant to be for a while. */
export const maxGraceSeconds = 90 * 86_400;

/**
 * Gives a credential a new secret, in the caller's transaction, which holds the credential's row (`lockAccessToken`). The one before stays good for
 * `graceSeconds`, or until its own end, if that is sooner; 0 = not at all. Older ones end at once, so that there are never more than two. The
 * caller bumps the access version. Not repeatable without effect: each call makes another.
 */
export async function rotateCredential(
  tx: Tx,
  deps: Pick<IdentityDeps, "secretBox" | "clock">,
  credential: {
    readonly accessTokenId: number;
    readonly userId: number;
    readonly username: string;
  },
  options: { readonly graceSeconds?: number | undefined; readonly suppliedSecret?: string | undefined },
): Promise<{ readonly secret: string }> {
  const { accessTokenId } = credential;
  const nowMs = deps.clock.nowMs();
  const made = makeSecret(deps, credential, options.suppliedSecret);
  const secrets = (await listSecrets(tx, [accessTokenId])).get(accessTokenId) ?? [];
  const graceMs = (options.graceSeconds ?? defaultGraceSeconds) * 1_000;
  for (const [index, secret] of secrets.entries()) {
    if (index < secrets.length - 1 || graceMs === 0) await deleteSecret(tx, accessTokenId, secret.id);
    else
      await limitSecret(
        tx,
        secret.id,
        Math.min(secret.expiresAtMs ?? Number.POSITIVE_INFINITY, nowMs + graceMs),
      );
  }
  if ((await findSecret(tx, [made.hash])) !== undefined) {
    throw new AppError("REQUEST_INVALID", "the secret cannot be taken: the account has it already");
  }
  await insertSecret(tx, { accessTokenId, secretHash: made.hash, nowMs });
  return { secret: made.secret };
}

/** Ends one secret of a credential, in the caller's transaction; the caller bumps the access version. `NOT_FOUND` when it has no such secret. */
export async function revokeSecret(tx: Tx, accessTokenId: number, secretId: number): Promise<void> {
  if (!(await deleteSecret(tx, accessTokenId, secretId))) {
    throw new AppError("NOT_FOUND", "the token has no such secret");
  }
}
