import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { digestOf, openSession, randomContent } from "../support/registry-session.ts";
import { administrator, freePort, startServer } from "../support/server-process.ts";

test("a full disk is answered 507, loses nothing, and is usable again once there is room", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-full-disk-"));
  const disk = join(folder, "disk");
  await mkdir(disk);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], { stdio: "pipe" });
  } catch {
    t.skip("mounting a small disk needs root");
    return;
  }
  const server = await startServer({
    dataDir: join(folder, "data"),
    port: await freePort(),
    settings: {
      ENTREPOT_STORAGE_URL: `file:${disk}/storage`,
      ENTREPOT_GC_GRACE_SECONDS: "1",
      ENTREPOT_GC_INTERVAL_SECONDS: "1",
    },
  });
  try {
    const session = openSession(server.origin, administrator);
    const kept = randomContent(8_000_000);
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        config: { mediaType: "application/x", digest: kept.digest, size: kept.bytes.byteLength },
        layers: [],
      }),
    );
    // With so short a grace the collector may be faster than the manifest: then the blob comes again.
    let pushed = 0;
    for (let attempt = 0; attempt < 20 && pushed !== 201; attempt++) {
      assert.equal(await session.pushBlob("acme/app", kept, "patch"), 201);
      pushed = await session.pushManifest("acme/app", "1", { bytes: manifest, digest: digestOf(manifest) });
    }
    assert.equal(pushed, 201);
    for (const way of ["post", "put", "patch"] as const) {
      assert.equal(await session.pushBlob("acme/app", randomContent(30_000_000), way), 507, way);
    }
    assert.equal((await session.request("GET", "/health/endtoend")).status >= 200, true);
    const pulled = await session.request("GET", `/v2/acme/app/blobs/${kept.digest}`);
    assert.equal(
      digestOf(new Uint8Array(await pulled.arrayBuffer())),
      kept.digest,
      "what was there is there",
    );
    // Uploads that broke off hold their bytes until they are cancelled, closed or expire; the refused ones must not hold the disk.
    const fits = randomContent(8_000_000);
    let status = 0;
    for (let attempt = 0; attempt < 60 && status !== 201; attempt++) {
      status = await session.pushBlob("acme/app", fits, "post");
      if (status !== 201) await wait(500);
    }
    assert.equal(status, 201, "there is room again for what fits");
  } finally {
    await server.stop("SIGKILL");
    // Lazily: what the dead process had open may be given back a moment later.
    execFileSync("umount", ["-l", disk]);
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
});
