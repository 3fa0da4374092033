import { statfs } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import type { SecretBox } from "../../lib/secret-box.ts";
import type { BlobStore } from "../../storage/blob-store/blob-store.ts";
import { inRegion, type Region } from "../../storage/blob-store/regions/region.ts";
import type { Database } from "../../storage/database/database.ts";
import { movedSentence } from "../../storage/database/move/move-state.ts";
import { databaseMoved, failureOf, regionPart, replicaPart } from "./health-failures.ts";

export interface HealthDeps {
  readonly database: Database;
  readonly blobs: BlobStore;
  /** Absent = there is one storage, not several regions. */
  readonly regions?: readonly Region[] | undefined;
  readonly clock: Clock;
  readonly secretBox: SecretBox;
  /** Folders of this machine that fill up. */
  readonly folders: readonly string[];
  /** Whether this process has begun to stop: then a load balancer should send nothing more. */
  readonly isDraining: () => boolean;
  /** When this process last looked for background work; undefined = it runs none, or does not yet. */
  readonly jobsLookedAtMs: () => number | undefined;
  /** Throws when no token could be signed now. */
  readonly checkSigningKeys: () => Promise<void>;
  /** Told of each part that was looked at, with the error when it failed. */
  readonly onLooked: (part: HealthPart, error?: unknown) => void;
}

export interface Health {
  /** `degraded`: a part fails that others make up for. */
  readonly status: "ok" | "degraded" | "failing" | "draining";
  readonly parts: readonly HealthPart[];
}

/**
 * One thing that was looked at. `code` and `told` say for anybody what fails, always in the same words; `error` is what was really said, with hosts, folders and
 * the database's own sentences: for whoever runs the registry, without secrets. All three only when it fails.
 */
export interface HealthPart {
  readonly name: string;
  readonly ok: boolean;
  readonly code?: string;
  readonly told?: string;
  readonly error?: string;
}

const probeTimeoutMs = 5_000;
const movedPart: HealthPart = { name: "database", ok: false, ...databaseMoved, error: movedSentence };
const maxCauses = 4;
const silentJobsMs = 60_000;
const leastFreeShare = 0.01;
const longestLagMs = 2_000;

/** Whether this process should get requests: not while it stops, nor when the database has moved to where others use it. */
export function checkReady(deps: Pick<HealthDeps, "isDraining" | "database">): Health {
  const whole = checkDraining(deps);
  if (whole.status !== "ok" || !deps.database.hasMoved()) return whole;
  return { status: "failing", parts: [movedPart] };
}

function checkDraining(deps: Pick<HealthDeps, "isDraining">): Health {
  if (!deps.isDraining()) return { status: "ok", parts: [{ name: "process", ok: true }] };
  const failure = failureOf("process");
  return { status: "draining", parts: [{ name: "process", ok: false, ...failure, error: failure.told }] };
}

/**
 * This process and this machine: event loop, keys, background work, room on the disks. Looks at nothing that all instances share, so that one broken database
 * does not have every instance replaced. One whose database has moved away fails, and is not asked for background work, which it has ended.
 */
export async function checkInstance(deps: HealthDeps): Promise<Health> {
  const probe = probeFor(deps);
  const hasMoved = deps.database.hasMoved();
  const parts = [
    ...checkDraining(deps).parts,
    ...(hasMoved ? [movedPart] : []),
    await probe("event-loop", () => checkEventLoop()),
    await probe("keys", async () => {
      const text = "health";
      if (deps.secretBox.open(deps.secretBox.seal(text, text), text) !== text)
        throw new Error("a secret does not open");
    }),
    ...(hasMoved ? [] : [await probe("jobs", async () => checkJobs(deps))]),
    await probe("disk-space", () => checkFolders(deps.folders)),
  ];
  const isFine = parts.every(({ ok }) => ok);
  return { status: deps.isDraining() ? "draining" : isFine ? "ok" : "failing", parts };
}

/**
 * Everything a pull and a push need: the database answers, the blob store takes, gives back and removes a few bytes, a token can be signed. At most 5 s each. Of several
 * storage regions each is a part; as long as one works it is only `degraded`, and so it is without a read replica.
 */
export async function checkEndToEnd(deps: HealthDeps): Promise<Health> {
  const probe = probeFor(deps);
  const storage =
    deps.regions === undefined
      ? [probe("storage", () => deps.blobs.probe())]
      : deps.regions.map((region) => probe(`${regionPart}${region.name}`, () => probeRegion(region)));
  const { replica } = deps.database;
  const parts = await Promise.all([
    probe("database", () => probeDatabase(deps.database)),
    ...(replica === undefined ? [] : [probe(replicaPart, async () => void (await replica.probe()))]),
    ...storage,
    probe("sign-in", () =>
      deps.checkSigningKeys().catch((error: unknown) => {
        // That the database is busy or away is told by the part that says so.
        if (!(error instanceof AppError)) throw error;
      }),
    ),
  ]);
  const isRegion = ({ name }: HealthPart) => name.startsWith(regionPart);
  const failing = parts.filter((part) => !part.ok);
  const isOneThere = parts.some((part) => isRegion(part) && part.ok);
  if (failing.length === 0) return { status: "ok", parts };
  const isMadeUpFor = (part: HealthPart) => part.name === replicaPart || (isRegion(part) && isOneThere);
  return { status: failing.every(isMadeUpFor) ? "degraded" : "failing", parts };
}

/** `checkEndToEnd` for anybody: whoever asks while it runs gets the same answer, as it costs requests to everything that it looks at. */
export function createSharedCheck(deps: HealthDeps): () => Promise<Health> {
  let running: Promise<Health> | undefined;
  return async () => {
    running ??= checkEndToEnd(deps).finally(() => {
      running = undefined;
    });
    return running;
  };
}

async function probeDatabase(database: Database): Promise<void> {
  if (database.hasMoved()) throw new Error(movedSentence);
  await database.probe(probeTimeoutMs);
}

async function probeRegion(region: Region): Promise<void> {
  await inRegion(region, probeTimeoutMs - 500, (store) => store.probe());
}

async function checkEventLoop(): Promise<void> {
  const askedAtMs = performance.now();
  await new Promise((resolve) => setImmediate(resolve));
  const lagMs = performance.now() - askedAtMs;
  if (lagMs > longestLagMs) throw new Error(`the process is busy: one turn took ${Math.round(lagMs)} ms`);
}

function checkJobs({ clock, jobsLookedAtMs }: HealthDeps): void {
  const atMs = jobsLookedAtMs();
  if (atMs === undefined || Math.abs(clock.nowMs() - atMs) < silentJobsMs) return;
  throw new Error("this process has not looked for background work for a minute");
}

async function checkFolders(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    const { bavail, blocks } = await statfs(folder);
    if (blocks > 0 && bavail / blocks < leastFreeShare) {
      throw new Error(`less than 1 % is free on the disk with ${folder}`);
    }
  }
}

type Probe = (name: string, work: () => Promise<void>) => Promise<HealthPart>;

function probeFor({ onLooked }: Pick<HealthDeps, "onLooked">): Probe {
  return async (name, work) => {
    try {
      await withTimeout(work());
    } catch (error) {
      const part = { name, ok: false, ...failureOf(name, error), error: textOf(error) };
      onLooked(part, error);
      return part;
    }
    const part = { name, ok: true };
    onLooked(part);
    return part;
  };
}

/** With what caused it: the driver's own words are there. */
function textOf(error: unknown): string {
  const said: string[] = [];
  for (let each = error; each instanceof Error && said.length < maxCauses; each = each.cause) {
    if (each.message !== "" && !said.includes(each.message)) said.push(each.message);
  }
  return said.length === 0 ? "unknown error" : said.join(": ");
}

async function withTimeout(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${probeTimeoutMs} ms`)), probeTimeoutMs);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
