import { setTimeout as wait } from "node:timers/promises";
import { isObject } from "@entrepot/oci/json-object";
import type { CliContext } from "./cli-context.ts";
import { requestManagement } from "./management-request.ts";

/** What a running registry found of itself. */
export interface RemoteVerification {
  readonly report: Readonly<Record<string, unknown>>;
  /** The first of the problems. */
  readonly found: readonly Readonly<Record<string, unknown>>[];
}

const lookEveryMs = 500;
const ended = ["done", "failed", "cancelled"];

/**
 * Has a running registry check its content and waits for the end; says on the way how far it is. Throws when the job fails or is cancelled. An interrupt leaves the job running: `jobs
 * cancel` ends it.
 */
export async function verifyRemotely(
  context: CliContext,
  host: string,
  order: Readonly<Record<string, unknown>>,
): Promise<RemoteVerification> {
  const queued = await requestManagement(context, host, {
    method: "POST",
    path: "/api/v1/verifications",
    body: order,
    what: "have content verified",
  });
  const id = isObject(queued) ? String(queued["jobId"]) : "";
  context.output.note(`job ${id}`);
  let said = "";
  for (;;) {
    const job = await requestManagement(context, host, {
      method: "GET",
      path: `/api/v1/jobs/${id}`,
      what: "ask how far it is",
    });
    const { state, progress, result, error } = { ...(isObject(job) ? job : {}) };
    const words = isObject(progress) ? wordsOf(progress) : "";
    if (words !== said && words !== "") context.output.note(words);
    said = words;
    if (state === "done" && isObject(result)) {
      const { found, ...report } = result;
      return { report, found: Array.isArray(found) ? found.filter(isObject) : [] };
    }
    if (typeof state === "string" && ended.includes(state)) {
      throw new Error(`job ${id} is ${state}${typeof error === "string" ? `: ${error}` : ""}`);
    }
    await wait(lookEveryMs, undefined, { signal: context.signal });
  }
}

function wordsOf(progress: Readonly<Record<string, unknown>>): string {
  const { note, done, total } = progress;
  if (typeof note !== "string") return "";
  return note === "blobs" ? `${String(done)} of ${String(total)} blobs` : `looking at ${note}`;
}
