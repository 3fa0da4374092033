import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createKeyReader } from "./read-keys-file.ts";
import type { KeysFileChange } from "./storage-keys.ts";

async function start(t: TestContext, text: string | undefined) {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-keys-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const keysFile = join(folder, "keys");
  if (text !== undefined) await writeFile(keysFile, text);
  let nowMs = 0;
  const changes: KeysFileChange[] = [];
  const setting = "storage.regions: keysFile of eu";
  const onChange = (change: KeysFileChange) => void changes.push(change);
  const read = createKeyReader({ keysFile, setting, onChange }, { nowMs: () => nowMs });
  return { keysFile, read, changes, later: (ms = 1_001) => (nowMs += ms) };
}

test("keys are JSON, or lines as AWS's tools write them", async (t) => {
  const json = await start(t, '{"accessKey":"a","secretKey":"b","sessionToken":"c"}\n');
  const { accessKey, secretKey, sessionToken } = await json.read();
  assert.deepEqual([accessKey, secretKey, sessionToken], ["a", "b", "c"]);
  const lines = await start(t, "[default]\naws_access_key_id = a\naws_secret_access_key=b/+=\n");
  const second = await lines.read();
  assert.deepEqual([second.accessKey, second.secretKey, second.sessionToken], ["a", "b/+=", undefined]);
});

test("a file is looked at again after a second; while it is away or broken the keys before are used", async (t) => {
  const { keysFile, read, later } = await start(t, '{"accessKey":"a","secretKey":"one"}');
  assert.equal((await read()).secretKey, "one");
  await writeFile(keysFile, '{"accessKey":"a","secretKey":"two"}');
  assert.equal((await read()).secretKey, "one");
  later();
  assert.equal((await read()).secretKey, "two");
  await writeFile(keysFile, '{"accessKey":"a","secretKey":"three"}');
  later(-3_600_000);
  assert.equal((await read()).secretKey, "three", "also when the clock is set back");
  for (const broken of ['{"accessKey":"a","secr', "{}", ""]) {
    await writeFile(keysFile, broken);
    later();
    assert.equal((await read()).secretKey, "three");
  }
  await rm(keysFile);
  later();
  assert.equal((await read()).secretKey, "three");
});

test("what was never readable is told without its content", async (t) => {
  const none = await start(t, undefined);
  await assert.rejects(none.read(), { code: "UNAVAILABLE", message: /ENOENT/ });
  for (const text of ["hunter2", '{"accessKey": hunter2', '{"accessKey":"hunter2"}']) {
    const { read } = await start(t, text);
    await assert.rejects(read(), (error: Error) => {
      assert.match(error.message, /storage.regions: keysFile of eu/);
      assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /hunter2/);
      return true;
    });
  }
});

test("a file that stays broken is told, not for each look, with its setting and without its content; and that it is well again", async (t) => {
  const { keysFile, read, changes, later } = await start(t, '{"accessKey":"a","secretKey":"one"}');
  const look = async () => {
    later();
    return (await read()).secretKey;
  };
  await look();
  await writeFile(keysFile, '{"accessKey": hunter2');
  assert.equal(await look(), "one");
  assert.deepEqual(changes, [], "it may be being written");
  for (let times = 0; times < 10; times += 1) assert.equal(await look(), "one");
  const broken = {
    isUsable: false,
    reason: "storage.regions: keysFile of eu cannot be read (not of its form)",
  };
  assert.deepEqual(changes, [broken]);
  later(600_000);
  await look();
  assert.deepEqual(changes, [broken, broken], "told anew after a while");
  await writeFile(keysFile, '{"accessKey":"a","secretKey":"two"}');
  assert.equal(await look(), "two");
  assert.deepEqual(changes, [broken, broken, { isUsable: true }]);
});
