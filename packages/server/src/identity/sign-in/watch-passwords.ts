import { createLru } from "../../lib/create-lru.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { noticeNewNetwork } from "./notice-new-network.ts";

const everyMs = 86_400_000;
const maxRemembered = 50_000;

/**
 * Notes that the password of a user was shown from an address, to something else than a browser's sign-in; `noticeNewNetwork` tells its owner. Once a
 * day and address: a client shows it with each request. Not worth failing a request for: trouble is logged, and it is tried again.
 */
export function createPasswordWatch(deps: IdentityDeps): (userId: number, address: string) => Promise<void> {
  const notedAtMs = createLru<string, number>(maxRemembered);
  return async (userId, address) => {
    if (!deps.sessions.tellsOfNewNetworks) return;
    const nowMs = deps.clock.nowMs();
    const key = `${userId} ${address}`;
    const noted = notedAtMs.get(key);
    if (noted !== undefined && Math.abs(nowMs - noted) < everyMs) return;
    notedAtMs.set(key, nowMs);
    const client = { address, userAgent: undefined };
    try {
      await deps.database.transaction((tx) => noticeNewNetwork(deps, tx, userId, client), { durable: false });
    } catch (error) {
      notedAtMs.delete(key);
      deps.log.warn({ error, userId }, "could not note from where somebody signed in");
    }
  };
}
