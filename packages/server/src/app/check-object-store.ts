import type { Config } from "../config/config.ts";
import { storageKeysOf } from "../config/storage-settings.ts";
import { systemClock } from "../lib/clock.ts";
import { examineMedium } from "../storage/blob-store/objects/examine-medium.ts";
import { examineRedirect } from "../storage/blob-store/objects/examine-redirect.ts";
import { openObjectMedium } from "../storage/blob-store/open-object-medium.ts";

/** More than this and signatures are refused. https://docs.aws.amazon.com/general/latest/gr/signature-version-4.html */
const maxSkewMs = 300_000;
const answerMs = 10_000;

/**
 * Tries what the configured object store allows, right by right, compares clocks, and goes where clients are sent if they are; a sentence when all is well. Throws the first thing that is
 * not, with what it was trying. Undefined when storage is no object store.
 */
export async function checkObjectStore(config: Config): Promise<string | undefined> {
  const medium = await openObjectMedium(config.storageUrl, storageKeysOf(config), systemClock);
  if (medium === undefined) return undefined;
  try {
    const examined = await examineMedium(medium);
    for (const { name, problem } of examined) {
      if (problem !== undefined)
        throw new Error(`cannot ${name}: ${sentenceOf(problem)}`, { cause: problem });
    }
    const skewMs = medium.endpoint === undefined ? undefined : await clockSkewMs(medium.endpoint);
    if (skewMs !== undefined && Math.abs(skewMs) > maxSkewMs) {
      throw new Error(
        `this machine's clock is ${Math.round(Math.abs(skewMs) / 1_000)} s ${skewMs > 0 ? "ahead of" : "behind"} the object store's`,
      );
    }
    const redirect = config.storageRedirect === "off" ? "" : `; ${await examineRedirect(medium)}`;
    return `the object store lets us ${examined.map(({ name }) => name).join(", ")}${redirect}`;
  } finally {
    await medium.close();
  }
}

function sentenceOf(problem: unknown): string {
  return problem instanceof Error ? problem.message : String(problem);
}

/** How far this clock is ahead of the service's, by the date of any answer; undefined when there is none. */
async function clockSkewMs(endpoint: string): Promise<number | undefined> {
  try {
    const answer = await fetch(endpoint, { redirect: "manual", signal: AbortSignal.timeout(answerMs) });
    await answer.body?.cancel();
    const theirs = Date.parse(answer.headers.get("date") ?? "");
    return Number.isNaN(theirs) ? undefined : systemClock.nowMs() - theirs;
  } catch {
    // What cannot be reached has been told already.
    return undefined;
  }
}
