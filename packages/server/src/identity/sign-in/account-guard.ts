import { AppError } from "../../lib/app-error.ts";
import { createLru } from "../../lib/create-lru.ts";
import { networkOf } from "../../lib/network-of.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { findUserByName } from "../users/user-store.ts";
import { isKnownNetwork, putNetwork } from "./sign-in-network-store.ts";

/** Wrong passwords for one name, from wherever, before strangers are let try less. */
const maxFailures = 100;
const windowMs = 900_000;
/** How long a network stays known after a sign-in, how many are, and how often that is written down. */
const knownForMs = 90 * 86_400_000;
const knownPerUser = 20;
const writeEveryMs = 86_400_000;
const maxRemembered = 50_000;

/**
 * Slows down those who guess at one account from very many networks, where no single one guesses too often. While that goes on, a network from which
 * nobody has ever signed in to the account may try one password in a quarter of an hour instead of ten a minute; from where its owner signs in,
 * nothing changes. So an attack locks nobody out: not the owner at home, and not the owner on the road, who knows the password at the first try.
 * Counted by each process for itself; known networks are told to all by the database.
 */
export interface AccountGuard {
  /** `TOOMANYREQUESTS` for a stranger who has tried already. */
  check(username: string, address: string): Promise<void>;
  failed(username: string, address: string): void;
  /** Not worth failing a sign-in for: trouble is logged. */
  succeeded(user: { readonly userId: number; readonly username: string }, address: string): Promise<void>;
}

interface Failures {
  readonly count: number;
  readonly sinceMs: number;
}

export function createAccountGuard(deps: IdentityDeps): AccountGuard {
  const failures = createLru<string, Failures>(maxRemembered);
  /** When a stranger last tried, by network and name. */
  const triedAtMs = createLru<string, number>(maxRemembered);
  const writtenAtMs = createLru<string, number>(maxRemembered);

  function current(username: string): Failures | undefined {
    const found = failures.get(username);
    return found !== undefined && Math.abs(deps.clock.nowMs() - found.sinceMs) < windowMs ? found : undefined;
  }

  async function isKnown(username: string, network: string): Promise<boolean> {
    const { found } = await deps.cache.get(`user ${username}`, async () => ({
      found: await findUserByName(deps.database.read, username),
    }));
    if (found === undefined) return false;
    const marks = deps.secretBox.hashes(markOf(found.id, network));
    return isKnownNetwork(deps.database.read, found.id, marks, deps.clock.nowMs() - knownForMs);
  }

  return {
    async check(username, address) {
      if ((current(username)?.count ?? 0) < maxFailures) return;
      const network = networkOf(address);
      const tried = triedAtMs.get(`${network} ${username}`);
      const sinceMs = tried === undefined ? windowMs : Math.abs(deps.clock.nowMs() - tried);
      if (sinceMs >= windowMs || (await isKnown(username, network))) return;
      throw new AppError(
        "TOOMANYREQUESTS",
        "somebody guesses at this account; wait, or use an access token",
        {
          retryAfterSeconds: Math.max(1, Math.ceil((windowMs - sinceMs) / 1_000)),
        },
      );
    },
    failed(username, address) {
      const nowMs = deps.clock.nowMs();
      const { count, sinceMs } = current(username) ?? { count: 0, sinceMs: nowMs };
      failures.set(username, { count: count + 1, sinceMs });
      triedAtMs.set(`${networkOf(address)} ${username}`, nowMs);
    },
    async succeeded({ userId, username }, address) {
      const nowMs = deps.clock.nowMs();
      const network = networkOf(address);
      triedAtMs.delete(`${network} ${username}`);
      const key = `${userId} ${network}`;
      const written = writtenAtMs.get(key);
      if (written !== undefined && Math.abs(nowMs - written) < writeEveryMs) return;
      writtenAtMs.set(key, nowMs);
      try {
        const mark = deps.secretBox.hash(markOf(userId, network));
        await deps.database.transaction(
          (tx) => putNetwork(tx, { userId, network: mark, nowMs }, knownPerUser),
          { durable: false },
        );
      } catch (error) {
        deps.log.warn({ error, userId }, "could not note from where somebody signed in");
      }
    },
  };
}

/** Where people are is not kept, only what recognises it. */
function markOf(userId: number, network: string): string {
  return `network ${userId} ${network}`;
}
