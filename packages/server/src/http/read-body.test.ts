import assert from "node:assert/strict";
import { PassThrough, Readable } from "node:stream";
import { test } from "node:test";
import { readBody } from "./read-body.ts";

const never = new AbortController().signal;

test("collects a body in any number of chunks", async () => {
  assert.deepEqual(
    await readBody(Readable.from([Buffer.from("ab"), Buffer.from("c")]), 3, never),
    Buffer.from("abc"),
  );
  assert.deepEqual(await readBody(Readable.from([]), 3, never), Buffer.alloc(0));
});

test("refuses a body that is longer than its limit while it arrives", async () => {
  await assert.rejects(readBody(Readable.from([Buffer.alloc(2), Buffer.alloc(2)]), 3, never), {
    code: "PAYLOAD_TOO_LARGE",
  });
});

test("fails when the client goes away", async () => {
  const body = new PassThrough();
  const reading = readBody(body, 100, never);
  body.write("half");
  body.destroy();
  await assert.rejects(reading, { code: "REQUEST_INVALID" });
});

test("stops when the request is given up, before or while it reads", async () => {
  const abort = new AbortController();
  const reading = readBody(new PassThrough(), 100, abort.signal);
  abort.abort(new Error("given up"));
  await assert.rejects(reading, /given up/);
  await assert.rejects(readBody(new PassThrough(), 100, abort.signal), /given up/);
});
