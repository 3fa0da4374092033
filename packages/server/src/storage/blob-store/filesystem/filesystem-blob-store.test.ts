import assert from "node:assert/strict";
import { execFileSync, fork } from "node:child_process";
import { createHash, randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { systemClock } from "../../../lib/clock.ts";
import { blobStoreContract, digestOf, id, put, readAll, write } from "../blob-store.contract.ts";
import { openBlobStore } from "../open-blob-store.ts";
import { openFilesystemBlobStore } from "./filesystem-blob-store.ts";

async function folder(t: { after(work: () => Promise<void>): void }): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "entrepot-blobs-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

blobStoreContract("filesystem", async () => {
  const root = await mkdtemp(join(tmpdir(), "entrepot-blobs-"));
  return {
    store: await openFilesystemBlobStore(join(root, "deep", "er")),
    dispose: () => rm(root, { recursive: true, force: true }),
  };
});

test("a blob's file tells its digest, and lies where the location says", async (t) => {
  const root = await folder(t);
  const store = await openFilesystemBlobStore(root);
  const location = await put(store, "u1", Buffer.from("abc"));
  const digest = createHash("sha256").update("abc").digest("hex");
  assert.equal(location, `sha256/${digest.slice(0, 2)}/${digest}.u1`);
  assert.equal(await readFile(join(root, "blobs", location), "utf8"), "abc");
  const reader = await store.openBlob(location);
  assert.ok((reader.fileDescriptor ?? 0) > 0, "a sender may use the descriptor");
  await reader.close();
});

test("what one process stored, another one reads", async (t) => {
  const root = await folder(t);
  const location = await put(await openFilesystemBlobStore(root), "u1", Buffer.from("abc"));
  const reader = await (await openFilesystemBlobStore(root)).openBlob(location);
  assert.equal((await readAll(reader)).toString(), "abc");
  await reader.close();
});

test("passes over files that somebody else has left", async (t) => {
  const root = await folder(t);
  const store = await openFilesystemBlobStore(root);
  const location = await put(store, "u1", Buffer.from("abc"));
  await write(store, "u2", 0, Buffer.from("de"));
  const shard = join(root, "blobs", location.slice(0, location.lastIndexOf("/")));
  for (const path of [
    join(shard, ".nfs000001"),
    join(shard, `${"a".repeat(64)}~`),
    join(root, "uploads", ".nfs000002"),
    join(root, "blobs", "sha256", "lost+found.txt"),
  ]) {
    await writeFile(path, "not ours");
  }
  const listed = [];
  for await (const { kind, name } of store.list()) listed.push(`${kind} ${name}`);
  assert.deepEqual(listed.toSorted(), [`blob ${location}`, "upload u2"]);
  await store.close();
});

test("does not follow a link that somebody laid where an upload goes", async (t) => {
  const root = await folder(t);
  const store = await openFilesystemBlobStore(root);
  const victim = join(root, "victim");
  await writeFile(victim, "precious");
  await symlink(victim, join(root, "uploads", "u1"));
  await assert.rejects(store.openUpload(id("u1"), 0));
  assert.equal(await readFile(victim, "utf8"), "precious");
});

test("a full disk is told as such, loses nothing, and discarding makes room", async (t) => {
  const root = await folder(t);
  const disk = join(root, "disk");
  await mkdir(disk);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], { stdio: "pipe" });
  } catch {
    t.skip("mounting a small disk needs root");
    return;
  }
  try {
    const store = await openFilesystemBlobStore(join(disk, "store"));
    const location = await put(store, "u1", randomBytes(1_000_000));
    await assert.rejects(write(store, "u2", 0, randomBytes(8_000_000)), { code: "STORAGE_FULL" });
    const reader = await store.openBlob(location);
    assert.equal((await readAll(reader)).byteLength, 1_000_000);
    await reader.close();
    await store.discardUpload(id("u2"));
    await put(store, "u3", randomBytes(1_000_000));
    await store.close();
  } finally {
    execFileSync("umount", ["-l", disk]);
  }
});

test("killed at any moment, it leaves uploads that can go, and blobs that are whole", async (t) => {
  const root = await folder(t);
  let blobs = 0;
  for (let kill = 0; kill < 25; kill++) {
    const child = fork(join(import.meta.dirname, "testing", "write-blobs.ts"), [root], {
      execArgv: ["--conditions=source"],
      stdio: "ignore",
    });
    // Every other time only when one is committed: on a busy machine a process takes long to begin.
    if (kill % 2 === 1) await once(child, "message");
    await wait(kill % 2 === 1 ? randomInt(60) : 120 + randomInt(120));
    child.kill("SIGKILL");
    await once(child, "exit");
    const store = await openFilesystemBlobStore(root);
    for await (const { kind, name } of store.list()) {
      if (kind === "upload") {
        await store.discardUpload(id(name));
        continue;
      }
      const bytes = await readFile(join(root, "blobs", name));
      const hex = basename(name).split(".")[0];
      assert.equal(createHash("sha256").update(bytes).digest("hex"), hex, "a committed blob has its bytes");
      blobs += 1;
      await rm(join(root, "blobs", name));
    }
    assert.deepEqual(await readdir(join(root, "uploads")), []);
  }
  assert.ok(blobs > 0, "some blobs were committed between the kills");
});

test("opens what a url names, and tells what it can open otherwise", async (t) => {
  const root = await folder(t);
  const store = await openBlobStore(`file:${root}/a`, systemClock);
  await put(store, "u1", Buffer.from("abc"));
  assert.equal((await readdir(join(root, "a", "blobs", "sha256"))).length, 1);
  await (await openBlobStore("memory:", systemClock)).probe();
  for (const url of ["s3:bucket", "s3://", "file:", "nothing"]) {
    await assert.rejects(openBlobStore(url, systemClock), { code: "REQUEST_INVALID" });
  }
  assert.equal(digestOf("abc").length, 71);
});
