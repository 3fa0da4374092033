import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { openObjectMedium } from "../open-object-medium.ts";
import {
  type CloudFrontDouble,
  createTestKeyPair,
  startCloudFront,
  type TestKeyPair,
} from "../testing/cloudfront-double.ts";

const reply = { expiresSeconds: 300, contentType: "text/html", cacheControl: "private" };
const keys = { accessKey: "a", secretKey: "the-secret", sessionToken: undefined };
const bytes = Buffer.from("0123456789");
const ours = createTestKeyPair("K2JCJMDEHXQW5F");

async function start(t: TestContext, known: readonly TestKeyPair[] = [ours], text = ours.privatePem) {
  let nowMs = 1_700_000_000_000;
  const clock = { nowMs: () => nowMs };
  const cdn: CloudFrontDouble = await startCloudFront(known, clock, async (path, range) => {
    if (path !== "/some/place/key") return { status: 404, headers: {}, bytes: Buffer.alloc(0) };
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
    return from === undefined
      ? { status: 200, headers: {}, bytes }
      : { status: 206, headers: {}, bytes: bytes.subarray(Number(from), Number(to) + 1) };
  });
  t.after(() => cdn.close());
  const folder = await mkdtemp(join(tmpdir(), "entrepot-cloudfront-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const keyFile = join(folder, "key.pem");
  await writeFile(keyFile, text);
  const url = `s3://bucket/some/place?region=eu-central-1&cloudFront=${cdn.origin}/&cloudFrontKeyPair=${ours.id}&cloudFrontKeyFile=${keyFile}`;
  const medium = await openObjectMedium(url, keys, clock);
  assert.ok(medium !== undefined);
  t.after(() => medium.close());
  const sign = async () => (await medium.signUrl("key", reply)) ?? "";
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { cdn, sign, pass, keyFile };
}

async function statusOf(address: string, init: RequestInit = {}): Promise<number> {
  const answer = await fetch(address, init);
  await answer.arrayBuffer();
  return answer.status;
}

test("an address of the CDN is good for one object, as a whole and in ranges, and for reading only", async (t) => {
  const { cdn, sign } = await start(t);
  const address = await sign();
  assert.ok(address.startsWith(`${cdn.origin}/some/place/key?Expires=1700000300&Signature=`), address);
  assert.doesNotMatch(address, /the-secret|X-Amz|bucket|text/);
  assert.deepEqual(Buffer.from(await (await fetch(address)).arrayBuffer()), bytes);
  const part = await fetch(address, { headers: { range: "bytes=2-4" } });
  assert.deepEqual([part.status, await part.text()], [206, "234"]);
  assert.equal(await statusOf(address, { method: "DELETE" }), 403);
  assert.deepEqual(new Set(cdn.fetched), new Set(["/some/place/key"]));
});

test("nothing of it can be changed, and it ends", async (t) => {
  const { cdn, sign, pass } = await start(t);
  const address = await sign();
  const changed = [
    address.replace("Expires=1700000300", "Expires=1800000300"),
    address.replace("/some/place/key", "/some/place/other"),
    address.replace(/Signature=..../, "Signature=AAAA"),
    address.replace(ours.id, "K1"),
    address.replace("?", "?response-content-type=text%2Fhtml&"),
    `${address}&Expires=1800000300`,
    address.split("?")[0] ?? "",
  ];
  for (const other of changed) {
    assert.notEqual(other, address);
    assert.equal(await statusOf(other), 403, other);
  }
  pass(299_000);
  assert.equal(await statusOf(address), 200);
  pass(1_000);
  assert.equal(await statusOf(address), 403);
  assert.equal(cdn.fetched.length, 1, "nothing else was fetched from the bucket");
});

test("the key is that of the start, whatever is written over it; a file that cannot be used is told of, never quoted, and looked at again", async (t) => {
  const next = createTestKeyPair(ours.id);
  const kept = await start(t);
  assert.equal(await statusOf(await kept.sign()), 200);
  for (const text of [next.privatePem, "half a key"]) {
    await writeFile(kept.keyFile, text);
    kept.pass(60_000);
    assert.equal(await statusOf(await kept.sign()), 200, "the id still is that of the first");
  }

  const broken = await start(t, [ours], "secret of somebody");
  for (const text of [
    "secret of somebody",
    next.publicKey.export({ type: "spki", format: "pem" }).toString(),
  ]) {
    await writeFile(broken.keyFile, text);
    broken.pass(1_001);
    await assert.rejects(broken.sign(), (error: Error & { readonly code?: string }) => {
      assert.equal(error.code, "UNAVAILABLE");
      assert.match(error.message, /cloudFrontKeyFile in storage.url names is no private RSA key/);
      assert.doesNotMatch(error.message, /somebody|BEGIN/);
      return true;
    });
  }
  await rm(broken.keyFile);
  broken.pass(1_001);
  await assert.rejects(broken.sign(), /cannot be read \(ENOENT\)/);
  await writeFile(broken.keyFile, ours.privatePem);
  broken.pass(1_001);
  assert.equal(await statusOf(await broken.sign()), 200);
});
