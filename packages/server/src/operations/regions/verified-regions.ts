import type { Clock } from "../../lib/clock.ts";
import type { RegionalBlobStore } from "../../storage/blob-store/regions/with-regions.ts";
import type { Database } from "../../storage/database/database.ts";
import type { VerifiedRegions } from "../verify/verify-deps.ts";
import { listPlacedIn, wantAgain } from "./blob-placement-store.ts";

/** What `verify` must know of storage regions. */
export function verifiedRegions(
  regional: RegionalBlobStore,
  { database, clock }: { readonly database: Database; readonly clock: Clock },
): VerifiedRegions {
  return {
    all: regional.regions,
    placedIn: (blobIds) => listPlacedIn(database.read, blobIds),
    copyAgain: (blobId, region) => database.transaction((tx) => wantAgain(tx, blobId, region, clock.nowMs())),
  };
}
