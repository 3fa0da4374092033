import assert from "node:assert/strict";
import { mkdtemp, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { findCredentials, removeCredentials, saveCredentials } from "./docker-config.ts";

const encode = (text: string) => Buffer.from(text).toString("base64");

describe("docker's configuration", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "entrepot-docker-config-"));
  });
  afterEach(async () => rm(folder, { recursive: true }));

  const write = async (auths: object) => writeFile(join(folder, "config.json"), JSON.stringify({ auths }));

  it("finds every form that docker and podman write", async () => {
    await write({
      "a.example.org": { auth: encode("anna:pass:word") },
      "https://b.example.org": { username: "bea", password: "secret" },
      "c.example.org": { auth: encode("<token>:"), identitytoken: "refresh" },
      "d.example.org": { registrytoken: "ready" },
      "e.example.org": { auth: encode("eva:padded\0\0") },
      "f.example.org": {},
      "g.example.org": { auth: "not base64 at all" },
      "https://index.docker.io/v1/": { auth: encode("hub:secret") },
    });
    const find = async (name: string) => findCredentials(folder, name);
    assert.deepEqual(await find("a.example.org"), {
      kind: "password",
      username: "anna",
      password: "pass:word",
    });
    assert.deepEqual(await find("b.example.org"), { kind: "password", username: "bea", password: "secret" });
    assert.deepEqual(await find("c.example.org"), { kind: "refresh-token", token: "refresh" });
    assert.deepEqual(await find("d.example.org"), { kind: "bearer", token: "ready" });
    assert.deepEqual(await find("e.example.org"), { kind: "password", username: "eva", password: "padded" });
    for (const name of ["f.example.org", "g.example.org", "unknown.example.org", "__proto__"]) {
      assert.equal(await find(name), undefined);
    }
    for (const name of ["docker.io", "registry-1.docker.io"]) {
      assert.deepEqual(await find(name), { kind: "password", username: "hub", password: "secret" });
    }
  });

  it("finds nothing without a file, and begins one when it saves", async () => {
    assert.equal(await findCredentials(join(folder, "none"), "a.example.org"), undefined);
    assert.equal(await removeCredentials(join(folder, "none"), "a.example.org"), false);
    const path = await saveCredentials(join(folder, "new"), "a.example.org", {
      username: "anna",
      password: "x",
    });
    assert.equal(path, join(folder, "new", "config.json"));
    assert.deepEqual(await findCredentials(join(folder, "new"), "a.example.org"), {
      kind: "password",
      username: "anna",
      password: "x",
    });
  });

  it("writes through a link instead of replacing it", async () => {
    const kept = join(folder, "kept.json");
    await writeFile(kept, '{"keep":1}');
    await symlink(kept, join(folder, "config.json"));
    await saveCredentials(folder, "a.example.org", { username: "anna", password: "x" });
    assert.equal(await readlink(join(folder, "config.json")), kept);
    assert.deepEqual(JSON.parse(await readFile(kept, "utf8")), {
      keep: 1,
      auths: { "a.example.org": { auth: encode("anna:x") } },
    });
  });

  it("refuses a helper whose name leads out of the search path, and tells of one that is missing", async () => {
    const useHelper = async (credsStore: string) =>
      writeFile(join(folder, "config.json"), JSON.stringify({ credsStore }));
    await useHelper("../../bin/sh");
    await assert.rejects(findCredentials(folder, "a.example.org"), /malformed credential helper/);
    await useHelper("surely-not-installed");
    await assert.rejects(
      findCredentials(folder, "a.example.org"),
      /docker-credential-surely-not-installed cannot be run/,
    );
  });
});
