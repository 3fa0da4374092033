import { byPartOfRegistry, recordAudit } from "../../activity/audit/record-audit.ts";
import { findFact, putFact } from "../../storage/database/fact-store.ts";
import type { Problem } from "./problem.ts";
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

/**
 * Checks everything against everything: manifests and what they name, rows and bytes, bytes and rows. Safe beside a running registry. `resume` goes on with
 * the blobs where a run that was interrupted stopped. Repairs are written into the audit log.
 */
export async function verifyEverything(
  deps: VerifyDeps,
  options: VerifyOptions & {
    readonly resume: boolean;
    readonly onProgress: (progress: VerifyProgress) => void;
  },
): Promise<VerifyReport> {
  const startedAtMs = deps.clock.nowMs();
  const found: Problem[] = [];
  const counting: VerifyOptions = {
    ...options,
    onProblem: (problem) => {
      found.push({ ...problem, affects: [] });
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
  const objects = await verifyStrays(deps, counting);
  const afterId = options.resume ? Number((await findFact(deps.database.read, cursorFact)) ?? 0) : 0;
  const done = await verifyBlobs(deps, counting, afterId, async (progress) => {
    tell("blobs", progress);
    await deps.database.transaction((tx) => putFact(tx, cursorFact, String(progress.afterId)), {
      durable: false,
    });
  });
  const count = (outcome: Problem["outcome"]) =>
    found.filter((problem) => problem.outcome === outcome).length;
  const counts = { problems: found.length, unrepaired: count("found"), quarantined: count("quarantined") };
  await deps.database.transaction(async (tx) => {
    await putFact(tx, cursorFact, "0");
    if (!options.repair || found.length === 0) return;
    await recordAudit(tx, byPartOfRegistry("verify"), deps.clock.nowMs(), {
      action: "registry.repair",
      target: "registry",
      detail: { ...counts, subjects: found.slice(0, 20).map(({ kind, subject }) => `${kind} ${subject}`) },
    });
  });
  return {
    manifests,
    objects,
    blobs: done.blobs,
    bytes: done.bytes,
    ...counts,
    durationMs: deps.clock.nowMs() - startedAtMs,
  };
}
