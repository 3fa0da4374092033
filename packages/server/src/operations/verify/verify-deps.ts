import type { Clock } from "../../lib/clock.ts";
import type { SparsePolicy } from "../../registry/registry-deps.ts";
import type { BlobStore } from "../../storage/blob-store/blob-store.ts";
import type { Database } from "../../storage/database/database.ts";
import type { Problem } from "./problem.ts";

export interface VerifiedRegion {
  readonly name: string;
  readonly store: BlobStore;
}

export interface VerifiedRegions {
  readonly all: readonly VerifiedRegion[];
  /** Names of the regions in which the blobs are said to lie, by the blob's id. */
  readonly placedIn: (blobIds: readonly number[]) => Promise<ReadonlyMap<number, readonly string[]>>;
  /** Has a blob copied to a region again in which its bytes are gone or wrong. */
  readonly copyAgain: (blobId: number, region: string) => Promise<void>;
}

export interface VerifyDeps {
  readonly database: Database;
  readonly blobs: BlobStore;
  /** Where there are several storage regions: each, and the copies that are said to lie in it. */
  readonly regions?: VerifiedRegions | undefined;
  readonly clock: Clock;
  /** What manifests may name without its being there. */
  readonly sparse: SparsePolicy;
  /** Objects that no row knows are left alone until they are so old: an upload may be about to be written down. */
  readonly strayGraceMs: number;
}

export interface VerifyOptions {
  /** False = only tell. */
  readonly repair: boolean;
  /** False = look whether blobs are there with their size, do not read them. */
  readonly hash: boolean;
  /** Blobs that are read at once. */
  readonly parallel: number;
  /** Read at most; undefined = as fast as it goes. */
  readonly bytesPerSecond: number | undefined;
  readonly signal: AbortSignal;
  readonly onProblem: (problem: Problem) => void;
  /** When a storage region does not answer for the first time: it is passed over, and looked for again now and then. */
  readonly onUnseen: (region: string, error: unknown) => void;
}
