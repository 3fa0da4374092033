import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { createSecretBox } from "./secret-box.ts";

const first = randomBytes(32);
const second = randomBytes(32);

test("opens what it sealed, in the same context only", () => {
  const box = createSecretBox([first]);
  const sealed = box.seal("pässword", "totp 1");
  assert.equal(box.open(sealed, "totp 1"), "pässword");
  assert.throws(() => box.open(sealed, "totp 2"));
  assert.ok(!sealed.includes("pässword"));
  assert.notEqual(box.seal("pässword", "totp 1"), sealed, "never the same twice");
});

test("refuses what was changed, cut, or sealed by another", () => {
  const box = createSecretBox([first]);
  const sealed = box.seal("secret", "x");
  const flipped = `${sealed.slice(0, -2)}${sealed.at(-2) === "A" ? "B" : "A"}${sealed.slice(-1)}`;
  for (const text of [flipped, sealed.slice(0, 24), "", "v1", `v2${sealed.slice(2)}`]) {
    assert.throws(() => box.open(text, "x"), Error, text);
  }
  assert.throws(() => createSecretBox([second]).open(sealed, "x"), /not configured/);
});

test("keys change while both are configured", () => {
  const before = createSecretBox([first]);
  const after = createSecretBox([second, first]);
  assert.equal(after.open(before.seal("secret", "x"), "x"), "secret");
  assert.ok(after.hashes("token").includes(before.hash("token")));
  assert.notEqual(after.hash("token"), before.hash("token"));
  assert.deepEqual(after.fingerprints.slice(1), before.fingerprints);
});

test("takes no short key", () => {
  assert.throws(() => createSecretBox([Buffer.alloc(31)]), /32 bytes/);
  assert.throws(() => createSecretBox([]), /needs a key/);
});
