import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { ReferenceRegistryOptions } from "./reference-registry/reference-registry.ts";
import { startReferenceRegistry } from "./reference-registry/reference-registry.ts";
import { blobSabotages } from "./sabotages/blob-sabotages.ts";

describe("the command", () => {
  it("prints a table and exits with 0 when everything passes", async () => {
    await withRegistry({ access: "bearer" }, async (address) => {
      const login = ["--access", "bearer", "--username", "user", "--password", "password"];
      const { code, stdout } = await run(["--registry", address, "--profile", "dev+sparse", ...login]);
      assert.equal(code, 0);
      assert.match(stdout, /^total\s+830\s+1032\s+0\s+0\s+1032\s+0\s+0$/m);
    });
  });

  it("exits with 1 on a failure, shows the exchange without credentials, and writes it as JSON", async () => {
    const folder = await mkdtemp(join(tmpdir(), "conformance-"));
    try {
      const sabotage = sabotageNamed("cannot cancel uploads");
      await withRegistry({ access: "basic", sabotage }, async (address) => {
        const file = join(folder, "report.json");
        const login = ["--access", "basic", "--username", "user", "--password", "password"];
        const filter = ["--filter", "sha256 blobs/post cancel", "--json", file];
        const { code, stdout } = await run(["--registry", address, "--profile", "dev", ...login, ...filter]);
        assert.equal(code, 1);
        assert.match(stdout, /^FAIL sha256 blobs\/post cancel\/blob-post-cancel sha256:/m);
        assert.match(stdout, /> DELETE http.*\n(?:.*\n)*?.*> Authorization: Basic …/);
        const json = await readFile(file, "utf8");
        assert.match(json, /"status": "FAIL"/);
        assert.ok(!(stdout + json).includes(Buffer.from("user:password").toString("base64")));
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("exits with 1 on a skip, unless skips are allowed", async () => {
    await withRegistry({ sabotage: sabotageNamed("never mounts") }, async (address) => {
      const args = ["--registry", address, "--filter", "sha256 blobs/mount"];
      assert.equal((await run(args)).code, 1);
      assert.equal((await run([...args, "--allow-skips"])).code, 0);
    });
  });

  it("exits with 1 when the filter leaves nothing to run", async () => {
    await withRegistry({}, async (address) => {
      assert.equal((await run(["--registry", address, "--filter", "nothing"])).code, 1);
    });
  });

  it("exits with 2 and says how to use it when the arguments make no sense", async () => {
    const address = ["--registry", "http://127.0.0.1:1"];
    const wrong = [
      [],
      ["--registry", "nowhere"],
      [...address, "--profile", "1.0"],
      [...address, "--access", "digest"],
      [...address, "--access", "basic"],
      [...address, "--timeout-ms", "soon"],
      [...address, "--unknown"],
    ];
    const codes = await Promise.all(wrong.map(async (args) => (await run(args)).code));
    assert.deepEqual(
      codes,
      wrong.map(() => 2),
    );
  });
});

function sabotageNamed(name: string): NonNullable<ReferenceRegistryOptions["sabotage"]> {
  const found = blobSabotages.find((entry) => entry.name === name);
  assert.ok(found !== undefined);
  return found.sabotage;
}

async function withRegistry(
  options: ReferenceRegistryOptions,
  use: (address: string) => Promise<void>,
): Promise<void> {
  const registry = await startReferenceRegistry(options);
  try {
    await use(registry.address);
  } finally {
    await registry.close();
  }
}

function run(args: readonly string[]): Promise<{ readonly code: number; readonly stdout: string }> {
  const script = join(import.meta.dirname, "run-conformance.ts");
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...args], { timeout: 120_000 }, (error, stdout) => {
      resolve({ code: typeof error?.code === "number" ? error.code : error === null ? 0 : -1, stdout });
    });
  });
}
