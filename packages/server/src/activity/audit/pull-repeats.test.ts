import assert from "node:assert/strict";
import { test } from "node:test";
import { anonymous } from "../../access/actor.ts";
import type { Answered } from "../../http/answered.ts";
import { createPullRepeats } from "./pull-repeats.ts";
import type { AuditEntry } from "./record-audit.ts";

const entry: AuditEntry = { action: "manifest.pull", target: "acme/app:1", detail: { digest: "d" } };

function answered(change: Partial<Answered> = {}): Answered {
  return {
    requestId: "r",
    endpoint: undefined,
    params: {},
    status: 200,
    code: undefined,
    actor: anonymous,
    presentedName: undefined,
    client: { address: "192.0.2.1", userAgent: "docker" },
    digest: "sha256:1",
    ...change,
  };
}

function open(windowMs = 60_000) {
  let nowMs = 1_000_000;
  const noted: AuditEntry[] = [];
  const repeats = createPullRepeats({
    clock: { nowMs: () => nowMs },
    windowMs,
    note: (_source, written) => noted.push(written),
  });
  return { repeats, noted, pass: (ms: number) => (nowMs += ms) };
}

test("repeats are counted, and written down when their window is over", () => {
  const { repeats, noted, pass } = open();
  assert.equal(repeats.isRepeat(answered(), entry), false);
  assert.equal(repeats.isRepeat(answered(), entry), true);
  assert.equal(repeats.isRepeat(answered(), entry), true);
  pass(59_999);
  repeats.sweep();
  assert.deepEqual(noted, []);
  pass(1);
  repeats.sweep();
  const since = new Date(1_000_000).toISOString();
  assert.deepEqual(noted, [{ ...entry, detail: { digest: "d", count: 2, since } }]);
  repeats.sweep();
  assert.equal(noted.length, 1, "once");
});

test("a pull after the window begins another, also when nobody swept", () => {
  const { repeats, noted, pass } = open();
  repeats.isRepeat(answered(), entry);
  repeats.isRepeat(answered(), entry);
  pass(60_000);
  assert.equal(repeats.isRepeat(answered(), entry), false);
  assert.equal(noted.length, 1);
  repeats.close();
  assert.equal(noted.length, 1, "a window without repeats has nothing to tell");
});

test("another client, address, digest or reference is no repeat", () => {
  const { repeats } = open();
  repeats.isRepeat(answered(), entry);
  const client = { address: "192.0.2.2", userAgent: "docker" };
  assert.equal(repeats.isRepeat(answered({ client }), entry), false);
  assert.equal(repeats.isRepeat(answered({ client: { ...client, userAgent: "podman" } }), entry), false);
  assert.equal(repeats.isRepeat(answered({ digest: "sha256:2" }), entry), false);
  assert.equal(repeats.isRepeat(answered(), { ...entry, target: "acme/app:2" }), false);
  assert.equal(repeats.isRepeat(answered(), entry), true);
});

test("with no window each pull stands by itself", () => {
  const { repeats, noted } = open(0);
  assert.equal(repeats.isRepeat(answered(), entry), false);
  assert.equal(repeats.isRepeat(answered(), entry), false);
  repeats.close();
  assert.deepEqual(noted, []);
});

test("of very many windows the oldest end early, with what they counted", () => {
  const { repeats, noted } = open();
  repeats.isRepeat(answered(), entry);
  repeats.isRepeat(answered(), entry);
  for (let index = 0; index < 20_000; index += 1) {
    repeats.isRepeat(answered(), { ...entry, target: `acme/app:t${index}` });
  }
  assert.equal(noted.length, 1);
});
