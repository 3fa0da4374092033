import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { systemClock } from "../lib/clock.ts";
import { silentLog } from "../lib/log.ts";
import type { Database } from "../storage/database/database.ts";
import { eachDatabase } from "../storage/database/testing/each-database.ts";
import { newKeyText, openSecretBox, type SecretKeyOptions } from "./secret-key.ts";

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-keys-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function openBox(t: TestContext, database: Database, options: Partial<SecretKeyOptions>) {
  const all = { secretKey: undefined, command: undefined, file: "", ...options };
  const { box, stop } = await openSecretBox(all, database, systemClock, silentLog);
  t.after(stop);
  return box;
}

async function until(isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + 60_000; !isSo(); await delay(20)) assert.ok(performance.now() < end);
}

eachDatabase((open) => {
  test("two running instances go from one key to the next without a moment in which one cannot open what the other sealed", async (t) => {
    const url = await open.url(t);
    const folder = await folderFor(t);
    const [first, second] = [join(folder, "first.key"), join(folder, "second.key")];
    const [before, after] = [newKeyText(), newKeyText()];
    for (const file of [first, second]) await writeFile(file, before);
    const a = await openBox(t, await open(t, { url }), { file: first });
    const b = await openBox(t, await open(t, { url }), { file: second });
    const check = (sealer: typeof a, opener: typeof a) => {
      assert.equal(opener.open(sealer.seal("text", "context"), "context"), "text");
      assert.ok(opener.hashes("secret").includes(sealer.hash("secret")));
    };
    const both = () => {
      check(a, b);
      check(b, a);
    };
    both();
    const hash = a.hash("token");
    const change = async (file: string, box: typeof a, keys: readonly string[]) => {
      await writeFile(file, keys.join("\n"));
      await until(() => box.fingerprints.length === keys.length);
      both();
    };
    await change(first, a, [before, after]);
    await change(second, b, [before, after]);
    const present = a.fingerprints[0];
    await writeFile(first, `${after}\n${before}\n`);
    await until(() => a.fingerprints[0] !== present);
    both();
    await writeFile(second, `${after},${before}`);
    await until(() => b.fingerprints[0] !== present);
    both();
    assert.ok(b.hashes("token").includes(hash), "what was hashed before is recognised");
    await change(first, a, [after]);
    assert.ok(!a.hashes("token").includes(hash), "until its key is retired");
  });

  test("one that has only other keys does not start; a file that becomes nonsense changes nothing", async (t) => {
    const url = await open.url(t);
    const folder = await folderFor(t);
    const file = join(folder, "keys", "secret.key");
    const box = await openBox(t, await open(t, { url }), { file });
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    await assert.rejects(openBox(t, await open(t, { url }), { secretKey: newKeyText() }), {
      code: "REQUEST_INVALID",
    });
    const [present] = box.fingerprints;
    const text = await readFile(file, "utf8");
    await writeFile(file, "short");
    await delay(2_200);
    assert.deepEqual(box.fingerprints, [present]);
    await writeFile(file, `${text.trim()}\n${newKeyText()}\n`);
    await until(() => box.fingerprints.length === 2);
  });
});

test("keys come from a command that prints them; what it says when it fails is not repeated", async (t) => {
  const { openDatabase } = await import("../storage/database/open-database.ts");
  const database = await openDatabase({
    url: "sqlite::memory:",
    poolSize: 1,
    acquireTimeoutMs: 1_000,
    log: silentLog,
  });
  t.after(() => database.close());
  const key = newKeyText();
  const box = await openBox(t, database, { command: `/bin/echo ${key}` });
  const same = await openBox(t, database, { secretKey: key });
  assert.deepEqual(box.fingerprints, same.fingerprints);
  await assert.rejects(
    openBox(t, database, { command: `/bin/false ${key}` }),
    (error) => error instanceof Error && /failed/.test(error.message) && !error.message.includes(key),
  );
});
