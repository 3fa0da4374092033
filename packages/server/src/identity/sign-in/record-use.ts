import { createLru } from "../../lib/create-lru.ts";
import { touchAccessToken } from "../access-tokens/access-token-store.ts";
import type { IdentityDeps } from "../identity-deps.ts";

const everyMs = 60_000;

/**
 * Records when and from where an access token was used, at most once a minute and token. Not worth failing a request for: trouble is
 * logged.
 */
export function createUseRecorder(
  deps: IdentityDeps,
): (accessTokenId: number, address: string) => Promise<void> {
  const recordedAtMs = createLru<number, number>(10_000);
  return async (id, address) => {
    const nowMs = deps.clock.nowMs();
    const beforeMs = recordedAtMs.get(id);
    if (beforeMs !== undefined && Math.abs(nowMs - beforeMs) < everyMs) return;
    recordedAtMs.set(id, nowMs);
    try {
      await deps.database.transaction((tx) => touchAccessToken(tx, id, nowMs, address), { durable: false });
    } catch (error) {
      deps.log.warn({ error, accessTokenId: id }, "could not record the use of an access token");
    }
  };
}
