import { byPartOfRegistry, recordAudit } from "../../activity/audit/record-audit.ts";
import { findFact, putFact } from "../../storage/database/fact-store.ts";
import { createRegionLooks, type UnseenRegion } from "./region-looks.ts";
import { tallyProblems } from "./tally-problems.ts";
import { type BlobProgress, verifyBlobs } from "./verify-blobs.ts";
import type { VerifyDeps, VerifyOptions } from "./verify-deps.ts";
import { verifyManifests } from "./verify-manifests.ts";
import { countBlobs } from "./verify-store.ts";
import { verifyStrays } from "./verify-strays.ts";

export interface VerifyReport {
  readonly manifests: number;
  readonly objects: number;
  readonly blobs: number;
  readonly bytes: number;
  readonly problems: number;
  /** Problems that are still there: neither repaired nor waiting for a push. */
  readonly unrepaired: number;
  readonly quarantined: number;
  /** Storage regions that were not looked at, or not whole, as they did not answer: nothing is said of what lies there. */
  readonly unseenRegions: readonly UnseenRegion[];
  readonly durationMs: number;
}

export interface VerifyProgress {
  readonly phase: "manifests" | "objects" | "blobs";
  readonly blobs: number;
  readonly totalBlobs: number;
  readonly bytes: number;
  readonly totalBytes: number;
}

const cursorFact = "verify-blobs-after";
/** So many are named in the audit log. */
const namedProblems = 20;

/**
 * Checks everything against everything: manifests and what they name, rows and bytes, bytes and rows. Safe beside a running registry. `resume` goes on with
 * the blobs where a run that was interrupted stopped. Repairs are written into the audit log. Of several storage regions one that does not answer ends nothing: the report
 * names it. With one storage its error is thrown. Needs no more memory for many problems than for few: each is told once, by `onProblem`.
 */
export async function verifyEverything(
  deps: VerifyDeps,
  options: VerifyOptions & {
    readonly resume: boolean;
    readonly onProgress: (progress: VerifyProgress) => void;
  },
): Promise<VerifyReport> {
  const startedAtMs = deps.clock.nowMs();
  const tally = tallyProblems(namedProblems);
  const looks = createRegionLooks(deps.clock, options.signal, options.onUnseen);
  const counting: VerifyOptions = {
    ...options,
    onProblem: (problem) => {
      tally.add(problem);
      options.onProblem(problem);
    },
  };
  const total = await countBlobs(deps.database.read);
  const tell = (phase: VerifyProgress["phase"], { blobs, bytes }: Pick<BlobProgress, "blobs" | "bytes">) =>
    options.onProgress({ phase, blobs, bytes, totalBlobs: total.count, totalBytes: total.bytes });
  const nothing = { blobs: 0, bytes: 0 };
  tell("manifests", nothing);
  const manifests = await verifyManifests(deps, counting);
  tell("objects", nothing);
  const objects = await verifyStrays(deps, counting, looks);
  const afterId = options.resume ? Number((await findFact(deps.database.read, cursorFact)) ?? 0) : 0;
  const done = await verifyBlobs(deps, counting, looks, afterId, async (progress) => {
    tell("blobs", progress);
    await deps.database.transaction((tx) => putFact(tx, cursorFact, String(progress.afterId)), {
      durable: false,
    });
  });
  const counts = tally.counts();
  await deps.database.transaction(async (tx) => {
    await putFact(tx, cursorFact, "0");
    if (!options.repair || counts.problems === 0) return;
    await recordAudit(tx, byPartOfRegistry("verify"), deps.clock.nowMs(), {
      action: "registry.repair",
      target: "registry",
      detail: { ...counts, subjects: tally.first().map(({ kind, subject }) => `${kind} ${subject}`) },
    });
  });
  return {
    manifests,
    objects,
    blobs: done.blobs,
    bytes: done.bytes,
    ...counts,
    unseenRegions: looks.unseen(),
    durationMs: deps.clock.nowMs() - startedAtMs,
  };
}
