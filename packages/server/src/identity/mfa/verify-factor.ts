import { AppError } from "../../lib/app-error.ts";
import { assertNever } from "../../lib/assert-never.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { createSignInThrottle } from "../sign-in/sign-in-throttle.ts";
import {
  advanceSecurityKey,
  advanceTotp,
  deleteRecoveryCode,
  findTotpSeed,
  listSecurityKeys,
} from "./factor-store.ts";
import { plainRecoveryCode } from "./recovery-code.ts";
import { totpCounterOf } from "./totp.ts";
import { type RelyingParty, verifyAuthentication } from "./web-authn.ts";

/** What somebody shows beside their password. */
export type ShownFactor =
  | { readonly kind: "totp"; readonly code: string }
  | { readonly kind: "recovery-code"; readonly code: string }
  | { readonly kind: "security-key"; readonly challenge: string; readonly response: unknown };

export interface FactorVerifier {
  /**
   * Takes a factor that is right, once, and does `then` in the same transaction; gives what `then` gives. `UNAUTHORIZED` when it is wrong or was
   * used before; `TOOMANYREQUESTS` after too many wrong ones.
   */
  take<T>(
    user: { readonly id: number; readonly username: string },
    shown: ShownFactor,
    from: RelyingParty & { readonly remoteAddress: string },
    then: (tx: Tx, amr: readonly string[]) => Promise<T>,
  ): Promise<T>;
}

/** Of a right factor: how the session will say it was proved, and what uses it up; `use` is false when somebody was quicker. */
interface Right {
  readonly amr: readonly string[];
  use(tx: Tx): Promise<boolean>;
}

export function createFactorVerifier(deps: IdentityDeps): FactorVerifier {
  const throttle = createSignInThrottle(deps.clock);

  return {
    async take(user, shown, from, then) {
      const guess = shown.kind === "security-key" ? shown.challenge : shown.code;
      const attempt = throttle.begin(from.remoteAddress, user.username, guess);
      try {
        const right = await check(deps, user.id, shown, from);
        if (right === undefined) throw wrongFactor();
        const done = await deps.database.transaction(async (tx) => {
          if (!(await right.use(tx))) throw wrongFactor();
          return then(tx, right.amr);
        });
        attempt.succeeded();
        return done;
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== "UNAUTHORIZED") attempt.abandoned();
        throw error;
      }
    },
  };
}

async function check(
  deps: IdentityDeps,
  userId: number,
  shown: ShownFactor,
  party: RelyingParty,
): Promise<Right | undefined> {
  const nowMs = deps.clock.nowMs();
  switch (shown.kind) {
    case "totp": {
      const found = await findTotpSeed(deps.database.read, userId);
      if (found === undefined) return undefined;
      const seed = deps.secretBox.open(found.seed, totpContext(userId));
      const counter = totpCounterOf(seed, shown.code, nowMs);
      if (counter === undefined) return undefined;
      return { amr: ["otp", "mfa"], use: (tx) => advanceTotp(tx, userId, counter, nowMs) };
    }
    case "recovery-code": {
      const hashes = deps.secretBox.hashes(plainRecoveryCode(shown.code));
      return { amr: ["recovery", "mfa"], use: (tx) => deleteRecoveryCode(tx, userId, hashes) };
    }
    case "security-key": {
      const keys = await listSecurityKeys(deps.database.read, userId);
      const found = await verifyAuthentication(party, shown.challenge, keys, shown.response);
      if (found === undefined) return undefined;
      const { key, counter } = found;
      return { amr: ["hwk", "mfa"], use: (tx) => advanceSecurityKey(tx, key.id, counter, nowMs) };
    }
    default:
      return assertNever(shown);
  }
}

/** What a sealed seed is bound to. */
export function totpContext(userId: number): string {
  return `totp ${userId}`;
}

function wrongFactor(): AppError {
  return new AppError("UNAUTHORIZED", "the code or the security key is wrong, or was used before");
}
