import type { Actor } from "../../access/actor.ts";
import { type MaybePromise, whenReady } from "../../lib/maybe-promise.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { type HeldElevation, listHeld } from "./elevation-store.ts";

/**
 * The actor with what they are by the elevations that they hold now. It is asked for each request, of the access-versioned cache and the clock: an
 * elevation that is taken back is over at once, tokens already issued included, and one whose time has come is over without anybody doing anything.
 * Elevations are for people; a credential that is limited stays so.
 */
export function elevateActor<A extends Actor>(
  deps: Pick<IdentityDeps, "cache" | "clock" | "database">,
  actor: A,
): MaybePromise<A> {
  if (actor.kind !== "user" || actor.account !== "person") return actor;
  const found = deps.cache.get(`elevations ${actor.userId}`, async () => ({
    held: await listHeld(deps.database.read, actor.userId),
  }));
  return whenReady(found, ({ held }) => elevatedBy(held, actor, deps.clock.nowMs()));
}

function elevatedBy<A extends Actor>(held: readonly HeldElevation[], actor: A, nowMs: number): A {
  if (held.length === 0 || actor.kind !== "user") return actor;
  const current = held.filter((elevation) => elevation.expiresAtMs > nowMs);
  if (current.length === 0) return actor;
  const isElevatedAdmin = !actor.isAdmin && current.some((elevation) => elevation.isAdministrator);
  return {
    ...actor,
    elevationIds: current.map(({ id }) => id),
    ...(isElevatedAdmin ? { isAdmin: true, isElevatedAdmin } : {}),
  };
}
