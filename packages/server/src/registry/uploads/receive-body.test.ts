import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { BlobWriter } from "../../storage/blob-store/blob-store.ts";
import { bytesOf, hexOf } from "../testing/content.ts";
import { gatedBody } from "../testing/gated-body.ts";
import { receiveBody } from "./receive-body.ts";

const mebibyte = 1_048_576;

test("appends a large body in batches of about 1 MiB and hashes it on the way", async () => {
  const { writer, batches } = recordingWriter();
  const chunks = Array.from({ length: 100 }, (_, index) => Buffer.alloc(65_536, index));
  const hash = createHash("sha256");
  const received = await receiveBody(Readable.from(chunks, { objectMode: false }), writer, hash, []);
  assert.deepEqual(received, { bytes: 100 * 65_536, failure: undefined });
  assert.equal(hash.digest("hex"), hexOf(Buffer.concat(chunks)));
  assert.deepEqual(Buffer.concat(batches), Buffer.concat(chunks));
  assert.ok(batches.slice(0, -1).every((batch) => batch.byteLength >= mebibyte));
});

test("stops reading while both batches are full, and goes on afterwards", async () => {
  const { promise: slow, resolve: release } = Promise.withResolvers<void>();
  const { writer, batches } = recordingWriter(() => slow);
  let taken = 0;
  const source = Readable.from(
    (function* () {
      for (; taken < 20; taken += 1) yield Buffer.alloc(mebibyte / 2);
    })(),
    { objectMode: false, highWaterMark: 1 },
  );
  const receiving = receiveBody(source, writer, createHash("sha256"), []);
  for (let turn = 0; turn < 50; turn++) await nextTurn();
  assert.ok(taken <= 6, `${taken} half mebibytes were read while nothing was written`);
  release();
  assert.equal((await receiving).bytes, 10 * mebibyte);
  assert.equal(Buffer.concat(batches).byteLength, 10 * mebibyte);
});

test("what came while a batch was written waits until the next batch is full or the body ends", async () => {
  const { promise: slow, resolve: release } = Promise.withResolvers<void>();
  const { writer, batches } = recordingWriter(() => slow);
  const body = gatedBody();
  const receiving = receiveBody(body.stream, writer, createHash("sha256"), []);
  await body.send(Buffer.alloc(mebibyte));
  await body.send(bytesOf("abc"));
  release();
  await nextTurn();
  assert.deepEqual(
    batches.map((batch) => batch.byteLength),
    [mebibyte],
  );
  body.end();
  assert.equal((await receiving).bytes, mebibyte + 3);
  assert.equal(batches[1]?.toString(), "abc");
});

test("an empty body, also one that has ended before, is received whole", async () => {
  for (const source of [Readable.from([]), await endedBody()]) {
    const received = await receiveBody(source, recordingWriter().writer, createHash("sha256"), []);
    assert.deepEqual(received, { bytes: 0, failure: undefined });
  }
});

test("a body that is closed without an end has failed, and what came is kept", async () => {
  const { writer, batches } = recordingWriter();
  const body = gatedBody();
  const receiving = receiveBody(body.stream, writer, createHash("sha256"), []);
  await body.send(bytesOf("abc"));
  body.stream.destroy();
  const { bytes, failure } = await receiving;
  assert.equal(bytes, 3);
  assert.match(String(failure), /closed the connection/);
  assert.equal(Buffer.concat(batches).toString(), "abc");
});

test("a body that was gone before it could be read has failed", async () => {
  const reason = new Error("reset");
  const closed = new Readable({ read() {} });
  closed.destroy();
  const broken = new Readable({ read() {} });
  broken.on("error", () => {});
  broken.destroy(reason);
  await nextTurn();
  const closedResult = await receiveBody(closed, recordingWriter().writer, createHash("sha256"), []);
  assert.match(String(closedResult.failure), /closed the connection/);
  const brokenResult = await receiveBody(broken, recordingWriter().writer, createHash("sha256"), []);
  assert.deepEqual(brokenResult, { bytes: 0, failure: reason });
});

test("ends when a signal fires, and reads nothing when one has fired before", async () => {
  const { writer, batches } = recordingWriter();
  const body = gatedBody();
  const giveUp = new AbortController();
  const signals = [new AbortController().signal, giveUp.signal];
  const receiving = receiveBody(body.stream, writer, createHash("sha256"), signals);
  await body.send(bytesOf("abc"));
  const reason = new Error("taken over");
  giveUp.abort(reason);
  giveUp.abort(reason);
  assert.deepEqual(await receiving, { bytes: 3, failure: reason });
  assert.equal(Buffer.concat(batches).toString(), "abc");
  const late = await receiveBody(Readable.from(["x"]), writer, createHash("sha256"), signals);
  assert.deepEqual(late, { bytes: 0, failure: reason });
});

test("fails when the blob store fails, whatever comes afterwards", async () => {
  const failure = new Error("disk");
  const { promise, reject } = Promise.withResolvers<void>();
  const { writer } = recordingWriter(() => promise);
  const body = gatedBody();
  const receiving = receiveBody(body.stream, writer, createHash("sha256"), []);
  await body.send(Buffer.alloc(mebibyte));
  body.stream.push(bytesOf("more"));
  reject(failure);
  await assert.rejects(receiving, failure);
  body.end();
  assert.equal(body.stream.listenerCount("data"), 0, "nobody listens any more");
});

function recordingWriter(delay: () => Promise<void> = async () => {}) {
  const batches: Buffer[] = [];
  const writer: BlobWriter = {
    async append(chunks) {
      await delay();
      batches.push(Buffer.concat(chunks));
    },
    sync: async () => {},
    close: async () => {},
  };
  return { writer, batches };
}

async function endedBody(): Promise<Readable> {
  const source = Readable.from([]);
  source.resume();
  while (!source.readableEnded) await nextTurn();
  return source;
}
