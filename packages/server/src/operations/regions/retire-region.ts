import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { ManageRegionsDeps } from "./manage-regions.ts";
import { allowedRegions, type KnownRegions } from "./namespace-placement.ts";
import { listPlacements } from "./placement-store.ts";
import { findRetiring, putRetiring } from "./retiring-store.ts";

const pageSize = 500;

/**
 * Has a region emptied while everything runs, or ends that: within a second no instance begins an upload there any more, and what lies there is copied to where it may lie instead and then
 * removed. What lies nowhere else stays until it does. `NOT_FOUND` when it is not configured here, `IN_USE` when nothing would be left, or a namespace may lie nowhere else. Repeatable.
 */
export async function retireRegion(
  deps: ManageRegionsDeps,
  source: AuditSource,
  name: string,
  isRetiring: boolean,
): Promise<void> {
  if (!deps.known.names.includes(name)) {
    throw new AppError("NOT_FOUND", `there is no storage region ${name} in the settings`);
  }
  const isChanged = await deps.database.transaction(async (tx) => {
    // First, so that of two changes at once the second sees the first.
    await bumpAccessVersion(tx);
    const before = await findRetiring(tx);
    if (before.has(name) === isRetiring) return false;
    const others = [...before].filter((region) => region !== name);
    const retiring = new Set(isRetiring ? [...others, name] : others);
    if (isRetiring) await checkLeft(tx, { ...deps.known, retiring }, name);
    await putRetiring(tx, retiring);
    await recordAudit(tx, source, deps.clock.nowMs(), {
      action: "region.retire",
      target: `region ${name}`,
      before: { isRetiring: !isRetiring },
      after: { isRetiring },
    });
    return true;
  });
  if (!isChanged) return;
  deps.cache.changed();
  await deps.reconcileSoon(source);
}

/** Everything must have somewhere to go. */
async function checkLeft(tx: Tx, known: KnownRegions, name: string): Promise<void> {
  if (known.names.every((region) => known.retiring?.has(region) === true)) {
    throw new AppError("IN_USE", `no storage region would be left without ${name}`);
  }
  for (let afterId = 0; ; ) {
    const page = await listPlacements(tx, afterId, pageSize);
    const stuck = page.find(({ placement }) => allowedRegions(known, placement).length === 0);
    if (stuck !== undefined) {
      throw new AppError(
        "IN_USE",
        `content of ${stuck.name} may lie nowhere but in ${name}: place it elsewhere first`,
      );
    }
    const last = page.at(-1);
    if (last === undefined) return;
    afterId = last.id;
  }
}
