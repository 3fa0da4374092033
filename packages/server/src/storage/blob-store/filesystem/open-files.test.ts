import assert from "node:assert/strict";
import { readdirSync, readlinkSync } from "node:fs";
import { mkdtemp, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { BlobReader } from "../blob-store.ts";
import { createOpenFiles } from "./open-files.ts";

const linux = process.platform === "linux" ? {} : { skip: "open files are counted in /proc" };

async function newFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "open-files-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function contentOf(reader: BlobReader): Promise<string> {
  const bytes = Buffer.alloc(reader.sizeBytes);
  assert.equal(await reader.read(bytes, 0), reader.sizeBytes);
  return bytes.toString();
}

/** Open files of this process below the folder. */
function openBelow(folder: string): number {
  const targets = readdirSync("/proc/self/fd").flatMap((descriptor) => {
    try {
      return [readlinkSync(`/proc/self/fd/${descriptor}`)];
    } catch {
      return []; // the one that listed them
    }
  });
  return targets.filter((target) => target.startsWith(folder)).length;
}

test("what is read again is still open, and closed when nobody has read it for a while", linux, async (t) => {
  const folder = await newFolder(t);
  const path = join(folder, "a");
  await writeFile(path, "content");
  const files = createOpenFiles({ idleMs: 500, maxIdle: 8 });
  const first = await files.open(path);
  const second = await files.open(path);
  assert.notEqual(second.fileDescriptor, first.fileDescriptor, "each has its own");
  await first.close();
  await first.close();
  assert.equal(await contentOf(second), "content", "closing one reader, even twice, leaves the other");
  const third = await files.open(path);
  assert.equal(third.fileDescriptor, first.fileDescriptor);
  assert.equal(openBelow(folder), 2);
  await second.close();
  await delay(1_200);
  assert.equal(await contentOf(third), "content", "kept as long as it is read");
  await third.close();
  for (let tries = 0; openBelow(folder) > 0; tries += 1) {
    assert.ok(tries < 1_000, "closed in the end");
    await delay(20);
  }
  const fourth = await files.open(path);
  assert.equal(await contentOf(fourth), "content");
  await fourth.close();
  await files.close();
  assert.equal(openBelow(folder), 0);
});

test("a file that was removed, replaced or cut is seen so at the next open", async (t) => {
  const folder = await newFolder(t);
  const path = join(folder, "a");
  await writeFile(path, "before");
  const files = createOpenFiles({ idleMs: 60_000, maxIdle: 8 });
  await (await files.open(path)).close();
  await truncate(path, 3);
  const cut = await files.open(path);
  assert.equal(await contentOf(cut), "bef");
  await writeFile(join(folder, "b"), "after");
  await rename(join(folder, "b"), path);
  const replaced = await files.open(path);
  assert.equal(await contentOf(replaced), "after");
  assert.equal(await contentOf(cut), "bef", "a reader keeps the bytes that it was opened for");
  await rm(path);
  await assert.rejects(files.open(path), { code: "ENOENT" });
  assert.equal(await contentOf(replaced), "after");
  await Promise.all([cut.close(), replaced.close()]);
  await assert.rejects(files.open(path), { code: "ENOENT" });
  await files.close();
});

test("keeps no more open than it may, and nothing after drop and close", linux, async (t) => {
  const folder = await newFolder(t);
  const paths = Array.from({ length: 20 }, (_, index) => join(folder, String(index)));
  for (const path of paths) await writeFile(path, path);
  const files = createOpenFiles({ idleMs: 60_000, maxIdle: 4 });
  const readers = await Promise.all([...paths, ...paths].map((path) => files.open(path)));
  for (const [index, reader] of readers.entries()) {
    assert.equal(await contentOf(reader), paths[index % paths.length]);
  }
  await Promise.all(readers.map((reader) => reader.close()));
  assert.equal(openBelow(folder), 4);
  const [kept] = paths.slice(-1);
  assert.ok(kept !== undefined);
  const used = await files.open(kept);
  const beside = openBelow(folder);
  await rm(kept);
  await files.drop(kept);
  assert.equal(await contentOf(used), kept);
  assert.ok(openBelow(folder) <= beside);
  const before = openBelow(folder);
  await used.close();
  assert.equal(openBelow(folder), before - 1, "removed while it was read: its room is back with its reader");
  const late = await files.open(join(folder, "0"));
  await files.close();
  assert.equal(openBelow(folder), 1);
  await late.close();
  assert.equal(openBelow(folder), 0);
});
