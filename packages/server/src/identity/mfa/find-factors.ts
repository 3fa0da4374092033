import type { MaybePromise } from "../../lib/maybe-promise.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { loadFactors } from "./factor-store.ts";

/** What a user can show beside their password. */
export interface Factors {
  readonly hasTotp: boolean;
  readonly securityKeys: number;
  /** When they last showed a second factor, ours or a provider's; undefined = never. */
  readonly mfaAtMs: number | undefined;
}

const none: Factors = { hasTotp: false, securityKeys: 0, mfaAtMs: undefined };

/** The factors of a user, none for nobody. From memory until anybody's rights change. */
export function findFactors(
  deps: Pick<IdentityDeps, "cache" | "database">,
  userId: number,
): MaybePromise<Factors> {
  return deps.cache.get(
    `factors ${userId}`,
    async () => (await loadFactors(deps.database.read, userId)) ?? none,
  );
}

/** Whether a password alone is no longer enough. Recovery codes are no factor by themselves. */
export function hasSecondFactor({ hasTotp, securityKeys }: Factors): boolean {
  return hasTotp || securityKeys > 0;
}
