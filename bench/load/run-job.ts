import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Job, JobResult } from "./job.ts";

/** Runs a job in a fresh load process and tells what it measured. */
export async function runJob(job: Job): Promise<JobResult> {
  const child = fork(join(import.meta.dirname, "load-process.ts"), {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  child.send(job);
  const failed = once(child, "exit").then(([code]: unknown[]) => {
    throw new Error(`the load process ended with code ${String(code)}`);
  });
  // The exit after the answer is no failure.
  failed.catch(() => {});
  const [result] = (await Promise.race([once(child, "message"), failed])) as [JobResult]; // as: load-process.ts sends one
  return result;
}
