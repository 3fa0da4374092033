import { type JobKind, jobKind } from "../../activity/jobs/job-kind.ts";
import { tallyProblems } from "./tally-problems.ts";
import type { VerificationOrder } from "./verification-schema.ts";
import type { VerifyDeps } from "./verify-deps.ts";
import { verifyEverything } from "./verify-everything.ts";

const dayMs = 86_400_000;
const bytesPerMegabyte = 1_000_000;
/** What a job says has an end; the counts are of all. */
const maxFound = 100;

/**
 * `verifyEverything` as a job: one at a time on all instances together. When its instance dies, another one goes on with the blobs where it was. Its result is the report with
 * the first hundred problems in `found`, of which `isCut` says whether there are more; after a change of instance the counts are those of the last part.
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
      const tally = tallyProblems(maxFound);
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
          tally.add(problem);
        },
        onUnseen: (region, error) =>
          job.log.warn({ region, error }, "content of a storage region that does not answer is not verified"),
        onProgress: ({ phase, blobs, totalBlobs }) => progress(blobs, totalBlobs, phase),
      });
      const found = tally.first().map((problem) => ({ ...problem, affects: [...problem.affects] }));
      const unseenRegions = report.unseenRegions.map((region) => ({ ...region }));
      return { ...report, unseenRegions, found, isCut: report.problems > found.length };
    },
  });
}
