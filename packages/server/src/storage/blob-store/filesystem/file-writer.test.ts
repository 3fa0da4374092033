import assert from "node:assert/strict";
import type { FileHandle } from "node:fs/promises";
import { test } from "node:test";
import { createFileWriter } from "./file-writer.ts";

/** A file on a disk that fails the `failing`-th flush, and tells of it once, as the kernel does. */
function failingFile(failing: number) {
  let flushes = 0;
  const file = {
    writev: async (chunks: readonly Uint8Array[]) => ({
      bytesWritten: chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0),
    }),
    datasync: async () => {
      flushes += 1;
      if (flushes === failing) throw Object.assign(new Error("the disk is broken"), { code: "EIO" });
    },
    close: async () => {},
  };
  // as: what the writer uses of a file
  return { handle: file as unknown as FileHandle, flushes: () => flushes };
}

const chunk = new Uint8Array(1_048_576);

test("begins to flush before all is written, and the sync is told when that failed", async () => {
  const { handle, flushes } = failingFile(1);
  const writer = createFileWriter(handle, 0);
  for (let index = 0; index < 9; index++) await writer.append([chunk]);
  assert.equal(flushes(), 1);
  await assert.rejects(writer.sync(), /the disk is broken/);
  await writer.close();
});

test("a little is flushed by the sync alone", async () => {
  const { handle, flushes } = failingFile(0);
  const writer = createFileWriter(handle, 0);
  for (let index = 0; index < 7; index++) await writer.append([chunk]);
  assert.equal(flushes(), 0);
  await writer.sync();
  assert.equal(flushes(), 1);
  await writer.close();
});
