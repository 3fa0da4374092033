import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "../../../lib/app-error.ts";
import { type Log, silentLog } from "../../../lib/log.ts";
import { createCommitFlusher } from "./commit-flusher.ts";

/** A disk whose flushes end when the test says so. */
function createSlowDisk(): {
  readonly flushToDisk: () => Promise<void>;
  readonly flushes: { readonly end: () => void; readonly fail: (error: Error) => void }[];
} {
  const flushes: { readonly end: () => void; readonly fail: (error: Error) => void }[] = [];
  const flushToDisk = (): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    flushes.push({ end: resolve, fail: reject });
    return promise;
  };
  return { flushToDisk, flushes };
}

/** Lets everything happen that needs no flush to end. */
async function settle(): Promise<void> {
  await new Promise(setImmediate);
}

test("acknowledges a commit only after a flush that began after it", async () => {
  const disk = createSlowDisk();
  const flusher = createCommitFlusher(disk.flushToDisk, silentLog);
  const done: string[] = [];
  const flush = (name: string): Promise<unknown> => flusher.flush().then(() => done.push(name));
  const first = flush("first");
  const others = [flush("second"), flush("third")];
  await settle();
  assert.equal(disk.flushes.length, 1, "the flush under way does not cover what came later");
  disk.flushes[0]?.end();
  await settle();
  assert.deepEqual(done, ["first"]);
  assert.equal(disk.flushes.length, 2, "one flush for both");
  const last = flush("last");
  disk.flushes[1]?.end();
  await settle();
  assert.deepEqual(done, ["first", "second", "third"]);
  disk.flushes[2]?.end();
  await Promise.all([first, ...others, last]);
  assert.deepEqual(done, ["first", "second", "third", "last"]);
});

test("after a failed flush refuses everything without touching the disk again", async () => {
  const disk = createSlowDisk();
  const logged: string[] = [];
  const log: Log = { ...silentLog, error: (_fields, message) => logged.push(message) };
  const flusher = createCommitFlusher(disk.flushToDisk, log);
  const isUnavailable = (error: unknown): boolean =>
    error instanceof AppError && error.code === "UNAVAILABLE";
  const first = flusher.flush();
  const second = flusher.flush();
  disk.flushes[0]?.fail(new Error("EIO"));
  await assert.rejects(first, isUnavailable);
  await assert.rejects(second, isUnavailable);
  await assert.rejects(flusher.flush(), isUnavailable);
  assert.throws(() => flusher.assertHealthy(), isUnavailable);
  assert.equal(disk.flushes.length, 1);
  assert.equal(flusher.failures(), 1);
  assert.equal(logged.length, 1);
});

test("flushes again after a flush has ended", async () => {
  let count = 0;
  const flusher = createCommitFlusher(async () => {
    count += 1;
  }, silentLog);
  await flusher.flush();
  await flusher.flush();
  assert.equal(count, 2);
  flusher.assertHealthy();
});
