import assert from "node:assert/strict";
import { test } from "node:test";
import { createPasswordHasher, passwordEpochOf } from "./password-hash.ts";

const owner = { username: "ada" };

test("knows the right password from a wrong one", async () => {
  const hasher = createPasswordHasher();
  const hash = await hasher.hash("correct horse", owner);
  assert.equal(await hasher.verify(hash, "correct horse"), true);
  assert.equal(await hasher.verify(hash, "correct horsf"), false);
  assert.equal(await hasher.verify(hash, ""), false);
  assert.equal(await hasher.verify(hash, "x".repeat(1_025)), false);
});

test("hashes no password that must not become one", async () => {
  const hasher = createPasswordHasher();
  for (const bad of ["", "1234567", "password", "ada12345", "entp_12345678"]) {
    await assert.rejects(hasher.hash(bad, owner), { code: "REQUEST_INVALID" });
  }
});

test("works as hard for a user who is not there, and says no", async () => {
  const hasher = createPasswordHasher();
  const hash = await hasher.hash("correct horse", owner);
  /** Processor time of this process, the least of several: what the machine does besides is not in it. */
  const time = async (against: string | undefined) => {
    const times: number[] = [];
    for (let index = 0; index < 7; index++) {
      const before = process.cpuUsage();
      assert.equal(await hasher.verify(against, "a wrong one"), false);
      times.push(process.cpuUsage(before).user / 1_000);
    }
    return Math.min(...times);
  };
  const [known, unknown] = [await time(hash), await time(undefined)];
  assert.ok(unknown > known / 3 && unknown < known * 3, `${known} and ${unknown} ms`);
});

test("refuses at once what would wait too long, and works on what waits", async () => {
  const hasher = createPasswordHasher();
  const answers = await Promise.allSettled(
    Array.from({ length: 210 }, () =>
      hasher.verify("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAA", "x"),
    ),
  );
  const refused = answers.filter((answer) => answer.status === "rejected");
  assert.equal(refused.length, 8);
  for (const { reason } of refused) assert.equal(Reflect.get(Object(reason), "code"), "OVERLOADED");
  assert.equal(await hasher.verify(undefined, "x"), false);
});

test("tells two passwords of a user apart, without telling the hash", () => {
  assert.notEqual(passwordEpochOf("$argon2id$one"), passwordEpochOf("$argon2id$two"));
  assert.equal(passwordEpochOf("$argon2id$one"), passwordEpochOf("$argon2id$one"));
  assert.match(passwordEpochOf("$argon2id$one"), /^[A-Za-z0-9_-]{16}$/);
  assert.equal(passwordEpochOf(undefined), "");
});
