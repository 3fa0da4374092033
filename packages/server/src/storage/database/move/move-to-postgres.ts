import { randomUUID } from "node:crypto";
import { performance } from "node:perf_hooks";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { AppError } from "../../../lib/app-error.ts";
import { translateDatabaseError } from "../database-error.ts";
import { applyChanges } from "./apply-changes.ts";
import { beginCapture, checkFound, countWaiting, endCapture } from "./capture-changes.ts";
import { compareTable } from "./compare-tables.ts";
import { type CutOver, cutOver, LateCutOver, readMigrations } from "./cut-over.ts";
import { readSourceMove, type SourceMove } from "./move-state.ts";
import { describeTables, type Key, type MovedTable } from "./moved-table.ts";
import { readPage } from "./read-rows.ts";
import { checkTarget, longStatementMs, type Target, type TargetTx } from "./target.ts";
import {
  giveUpTarget,
  openFilled,
  prepareTarget,
  rehearseForeignKeys,
  restoreIndexes,
  resumeFilling,
  validateForeignKeys,
} from "./target-schema.ts";
import { insertRows } from "./write-rows.ts";

export type MoveStep = "prepare" | "copy" | "follow" | "index" | "check" | "cut over" | "open" | "validate";

export interface MoveProgress {
  readonly step: MoveStep;
  /** What is worked on: a table, an index. */
  readonly of?: string;
  /** Rows or changes that are done. */
  readonly done?: number;
}

export interface MoveOptions {
  readonly file: string;
  readonly target: Target;
  /** Where to, without a password: for people who start the registry on the file that has moved. */
  readonly address: string;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: MoveProgress) => void;
  /** How long writers may wait for one try of the last step. Default 3000. */
  readonly cutOverLimitMs?: number;
  /** How long PostgreSQL may take for one statement of copying, following and comparing. Default 60000. */
  readonly statementLimitMs?: number;
  /** Awaited between the steps; for tests that break one off. */
  readonly onStep?: (step: MoveStep) => Promise<void>;
}

export interface MoveReport {
  readonly tables: readonly { readonly table: string; readonly rows: number }[];
  readonly rows: number;
  /** Changes that were made meanwhile and carried over. */
  readonly changes: number;
  /** For how long writers had to wait; undefined when the move was done before and only had to be ended. */
  readonly heldMs: number | undefined;
  readonly copyMs: number;
  readonly durationMs: number;
}

const changesAtOnce = 5_000;
const fewChanges = 200;
const followRounds = 20;
const cutOverTries = 5;

/**
 * Moves a SQLite database, which a registry may be using meanwhile, to PostgreSQL; README.md says how. Returns once instances may use the target; from then on
 * nothing can be written to the file. Whatever breaks it off before leaves the registry where it is, and it may be repeated: then it begins anew, or
 * ends what had only to be ended. `CONFLICT` when the target has content, when another move has begun, or when so much is written that the last step
 * does not fit into its time.
 */
export async function moveToPostgres(options: MoveOptions): Promise<MoveReport> {
  const source = openSource(options.file);
  try {
    const begun = readSourceMove(source);
    if (begun?.isMoved === true) return await endMove(options, begun.id);
    return await move(source, options, begun);
  } catch (error) {
    throw translateDatabaseError(error);
  } finally {
    source.close();
  }
}

function openSource(file: string): DatabaseSync {
  const source = new DatabaseSync(file, { timeout: 10_000 });
  source.exec("pragma synchronous = full; pragma temp_store = memory");
  return source;
}

async function move(
  source: DatabaseSync,
  options: MoveOptions,
  begun: SourceMove | undefined,
): Promise<MoveReport> {
  const { target, signal, address, onProgress } = options;
  const startedAtMs = performance.now();
  const id = randomUUID();
  const tables = describeTables(source);
  const step = async (name: MoveStep): Promise<void> => {
    signal.throwIfAborted();
    onProgress({ step: name });
    await options.onStep?.(name);
  };
  await step("prepare");
  const earlier = begun && { id: begun.id, confirm: () => checkFound(source, begun) };
  await prepareTarget(target, tables, { id, earlier });
  beginCapture(source, tables, { id, target: address }, begun);
  try {
    const migrations = readMigrations(source);
    const run = { ...options, source, id, tables, migrations };
    await step("copy");
    for (const table of tables) await copyTable(run, table);
    const copyMs = performance.now() - startedAtMs;
    await step("follow");
    const followed = await follow(run, { afterId: 0, count: 0 });
    await step("index");
    const onIndex = (of: string) => onProgress({ step: "index", of });
    await inTargetFor(run, undefined, (tx) => restoreIndexes(tx, onIndex));
    await step("check");
    await rehearseForeignKeys(target);
    const counts = await compare(run, followed.afterId);
    const { done, changes } = await cutOverInTime(run, followed, step);
    await step("open");
    const rows = counts.reduce((sum, table) => sum + table.rows, 0);
    const report = { tables: counts, rows, changes, heldMs: done.heldMs, copyMs };
    await open(options, id);
    return { ...report, durationMs: performance.now() - startedAtMs };
  } catch (error) {
    // Once it has moved only the target knows whether anybody may use it: `endMove` asks.
    if (readSourceMove(source)?.isMoved !== true) await giveUp(source, target, id);
    throw error;
  }
}

interface Run extends MoveOptions {
  readonly source: DatabaseSync;
  readonly id: string;
  readonly tables: readonly MovedTable[];
  readonly migrations: string;
}

/** The source may be in a read transaction meanwhile, which keeps its log from being truncated: so a server that says nothing is not waited for. */
function inTarget<T>(run: Run, work: (tx: TargetTx) => Promise<T>): Promise<T> {
  return inTargetFor(run, run.statementLimitMs ?? longStatementMs, work);
}

function inTargetFor<T>(
  run: Run,
  statementLimitMs: number | undefined,
  work: (tx: TargetTx) => Promise<T>,
): Promise<T> {
  return run.target.transaction(
    async (tx) => {
      await checkTarget(tx, run.id);
      return work(tx);
    },
    { durable: false, signal: run.signal, ...(statementLimitMs === undefined ? {} : { statementLimitMs }) },
  );
}

async function copyTable(run: Run, table: MovedTable): Promise<void> {
  let after: Key | undefined;
  let done = 0;
  do {
    const page = readPage(run.source, table, after);
    if (page.rows.length === 0) return;
    await inTarget(run, (tx) => insertRows(tx, table, page.rows));
    done += page.rows.length;
    run.onProgress({ step: "copy", of: table.name, done });
    after = page.next;
  } while (after !== undefined);
}

interface Position {
  /** The last change that was carried over. */
  readonly afterId: number;
  readonly count: number;
}

/** Carries over what changed meanwhile, in parts, until nothing is left for a moment: then the target is the source as of that moment. */
async function follow(run: Run, from: Position): Promise<Position> {
  let { afterId, count } = from;
  let waitingBefore = Number.POSITIVE_INFINITY;
  for (let round = 1; ; round += 1) {
    const at = { ...run, afterId, limit: changesAtOnce };
    const changes = await inTarget(run, (tx) => applyChanges(run.source, tx, at));
    afterId = changes.lastId;
    count += changes.count;
    run.onProgress({ step: "follow", done: count });
    if (changes.isComplete) return { afterId, count };
    if (round % followRounds !== 0) continue;
    const waiting = countWaiting(run.source, afterId);
    if (waiting >= waitingBefore) {
      throw new AppError("CONFLICT", "more is written than can be carried over: move at a quieter hour");
    }
    waitingBefore = waiting;
  }
}

/** The same once unique keys are there: each round brings the target to another moment. */
async function followWhole(run: Run, from: Position): Promise<Position> {
  let position = from;
  for (let round = 1; round <= followRounds; round += 1) {
    const { afterId } = position;
    const changes = await inTarget(run, (tx) => applyChanges(run.source, tx, { ...run, afterId }));
    position = { afterId: changes.lastId, count: position.count + changes.count };
    run.onProgress({ step: "follow", done: position.count });
    if (changes.count <= fewChanges) break;
  }
  return position;
}

async function compare(run: Run, afterId: number): Promise<{ table: string; rows: number }[]> {
  const counts = [];
  for (const table of run.tables) {
    const rows = await compareTable(run.source, (work) => inTarget(run, work), table, afterId);
    counts.push({ table: table.name, rows });
    run.onProgress({ step: "check", of: table.name, done: rows });
  }
  return counts;
}

async function cutOverInTime(
  run: Run,
  from: Position,
  step: (name: MoveStep) => Promise<void>,
): Promise<{ readonly done: CutOver; readonly changes: number }> {
  let position = from;
  for (let attempt = 1; ; attempt += 1) {
    position = await followWhole(run, position);
    await step("cut over");
    try {
      const { afterId } = position;
      const limitMs = run.cutOverLimitMs ?? 3_000;
      const done = await cutOver(run.source, run.target, { ...run, afterId, limitMs });
      return { done, changes: position.count + done.changes.count };
    } catch (error) {
      if (!(error instanceof LateCutOver) || attempt === cutOverTries) throw error;
      await delay(500);
      await inTarget(run, (tx) => resumeFilling(tx, run.tables));
    }
  }
}

async function open(options: MoveOptions, id: string): Promise<void> {
  if (!(await openFilled(options.target, id))) {
    throw new AppError(
      "CONFLICT",
      "the file has moved, but not into this database: is --to the same as before?",
    );
  }
  options.onProgress({ step: "validate" });
  await validateForeignKeys(options.target);
}

/** What is left to do when the command was ended after the file had moved. Repeatable. */
async function endMove(options: MoveOptions, id: string): Promise<MoveReport> {
  const startedAtMs = performance.now();
  options.onProgress({ step: "open" });
  await open(options, id);
  const durationMs = performance.now() - startedAtMs;
  return { tables: [], rows: 0, changes: 0, heldMs: undefined, copyMs: 0, durationMs };
}

/** Only what is our own: another move may have begun. The next one clears away what cannot be cleared now. */
async function giveUp(source: DatabaseSync, target: Target, id: string): Promise<void> {
  try {
    // When it does not answer, a target that was complete already must be made anew for the next try.
    await giveUpTarget(target, id).catch(() => undefined);
    const move = readSourceMove(source);
    if (move?.id === id && !move.isMoved) endCapture(source, move);
  } catch {
    // Whoever called is told why the move ended, which is more than that this was left.
  }
}

/**
 * Ends a move that was broken off: nothing is recorded any more, and a file that was marked as moved is used again, unless instances may use the target. Then
 * `CONFLICT`, and nothing is changed; so it is when the target is not the one of the move, or holds nothing of it, or when the move comes to its end meanwhile.
 * Repeatable. Tells whether there was something to end.
 */
export async function abortMove({
  file,
  target,
  address,
}: Pick<MoveOptions, "file" | "target" | "address">): Promise<boolean> {
  const source = openSource(file);
  try {
    const begun = readSourceMove(source);
    if (begun === undefined) return false;
    if (begun.isMoved && begun.target !== address) {
      throw new AppError("CONFLICT", `the file has moved to ${begun.target}: name that with --to`);
    }
    const givingUp = giveUpTarget(target, begun.id);
    // When it does not answer nothing is lost if the file has not moved; a target that was not given up asks to be made anew.
    const found = begun.isMoved ? await givingUp : await givingUp.catch(() => "unknown");
    if (found === "in use") {
      throw new AppError(
        "CONFLICT",
        "the move is done, and the registry runs on PostgreSQL: going back would lose what was written there since",
      );
    }
    if (found === "unknown" && begun.isMoved) {
      throw new AppError(
        "CONFLICT",
        `the file has moved to ${begun.target}, and nothing of that move is found there: registries may use it elsewhere`,
      );
    }
    endCapture(source, begun);
    return true;
  } catch (error) {
    throw translateDatabaseError(error);
  } finally {
    source.close();
  }
}
