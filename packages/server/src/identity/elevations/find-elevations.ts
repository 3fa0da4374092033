import type { UserActor } from "../../access/actor.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { getElevation, mayDecide, noSuchElevation } from "./change-elevation.ts";
import { type Elevation, elevationStates, listElevations } from "./elevation-store.ts";

export type { Elevation };

/** A page of the elevations that somebody may see: their own, those that they may decide about, all of them for auditors. */
export async function listVisible(
  deps: IdentityDeps,
  actor: UserActor,
  page: { readonly state: string | undefined; readonly last: string | undefined; readonly limit: number },
): Promise<{ readonly elevations: readonly Elevation[]; readonly hasMore: boolean }> {
  const { last, limit } = page;
  const state = elevationStates.find((known) => known === page.state);
  if (page.state !== undefined && state === undefined) {
    throw new AppError("REQUEST_INVALID", `state must be one of ${elevationStates.join(", ")}`);
  }
  if (last !== undefined && !/^[0-9]{1,15}$/.test(last)) {
    throw new AppError("REQUEST_INVALID", "`last` must be the last number of the page before");
  }
  const found = await listElevations(deps.database.read, {
    seenBy: deps.access.isAuditor(actor) ? undefined : actor.userId,
    state,
    last: last === undefined ? undefined : Number(last),
    limit: limit + 1,
  });
  return { elevations: found.slice(0, limit).map((one) => asOf(deps, one)), hasMore: found.length > limit };
}

/** `NOT_FOUND` when there is none that one may see. */
export async function findVisible(deps: IdentityDeps, actor: UserActor, id: number): Promise<Elevation> {
  const elevation = await getElevation(deps, id);
  const isVisible =
    elevation.userId === actor.userId ||
    deps.access.isAuditor(actor) ||
    (await mayDecide(deps, actor, elevation));
  if (!isVisible) throw noSuchElevation(id);
  return asOf(deps, elevation);
}

/** What is over by its time is shown so, also before somebody has written it down. */
function asOf(deps: IdentityDeps, elevation: Elevation): Elevation {
  const isOpen = elevation.state === "active" || elevation.state === "pending";
  const isOver = isOpen && elevation.expiresAtMs <= deps.clock.nowMs();
  return isOver ? { ...elevation, state: "expired" } : elevation;
}
