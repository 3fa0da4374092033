import { type JobKind, jobKind } from "../../activity/jobs/job-kind.ts";
import type { Problem } from "./problem.ts";
import type { VerificationOrder } from "./verification-schema.ts";
import type { VerifyDeps } from "./verify-deps.ts";
import { verifyEverything } from "./verify-everything.ts";

const dayMs = 86_400_000;
const bytesPerMegabyte = 1_000_000;
/** What a job says has an end; the counts are of all. */
const maxFound = 100;
const maxAffects = 3;

/**
 * `verifyEverything` as a job: one at a time on all instances together. When its instance dies, another one goes on with the blobs where it was. Its result is the report with
 * the first hundred problems in `found`; after a change of instance the counts are those of the last part.
 */
export function verificationKind(deps: VerifyDeps): JobKind<VerificationOrder> {
  return jobKind<VerificationOrder>({
    kind: "content.verify",
    summary: "Checks all content: rows against bytes, and bytes against digests.",
    payloadSchema: async () => (await import("./verification-schema.ts")).verificationOrder,
    maxAttempts: 10,
    timeoutMs: 7 * dayMs,
    concurrency: 1,
    async run(job, signal, progress) {
      const { repair = false, quick = false, parallel = 2, megabytesPerSecond } = job.payload;
      const found: Problem[] = [];
      const report = await verifyEverything(deps, {
        repair,
        hash: !quick,
        resume: job.attempt > 1,
        parallel,
        bytesPerSecond: megabytesPerSecond === undefined ? undefined : megabytesPerSecond * bytesPerMegabyte,
        signal,
        onProblem: (problem) => {
          job.log.warn(
            { kind: problem.kind, subject: problem.subject, outcome: problem.outcome },
            "content problem",
          );
          if (found.length >= maxFound) return;
          found.push({ ...problem, affects: problem.affects.slice(0, maxAffects) });
        },
        onProgress: ({ phase, blobs, totalBlobs }) => progress(blobs, totalBlobs, phase),
      });
      return { ...report, found: found.map((problem) => ({ ...problem, affects: [...problem.affects] })) };
    },
  });
}
