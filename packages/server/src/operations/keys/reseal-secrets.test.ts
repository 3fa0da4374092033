import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createSecretBox } from "../../lib/secret-box.ts";
import { putFact } from "../../storage/database/fact-store.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { resealSecrets } from "./reseal-secrets.ts";

const [oldKey, newKey] = [randomBytes(32), randomBytes(32)];
const before = createSecretBox([oldKey]);
const [one, other] = [createSecretBox([oldKey, newKey]), createSecretBox([newKey, oldKey])];
const after = createSecretBox([newKey]);
const clock = { nowMs: () => 1_000 };
const never = new AbortController().signal;

eachDatabase((open) => {
  test("what an older key has sealed is sealed with the present one, and both kinds of process open it meanwhile", async (t) => {
    const database = await open(t);
    await database.transaction(async (tx) => {
      await putFact(tx, "audit-signing-key", before.seal("audit", "audit-signing-key"));
      await putFact(tx, "something", "v2 of something else");
      const mail = { created_at_ms: 0, next_attempt_at_ms: 0, attempts: 0, state: "queued" };
      for (const recipient of ["a@example.org", "b@example.org"]) {
        const sealed_data = before.seal(recipient, `mail invitation ${recipient}`);
        await tx
          .insertInto("mails")
          .values({ ...mail, recipient, kind: "invitation", sealed_data })
          .execute();
      }
    });
    assert.deepEqual(await resealSecrets({ database, secretBox: other, clock }, never), {
      resealed: 3,
      lost: [],
    });
    const rows = await database.read.selectFrom("mails").select(["recipient", "sealed_data"]).execute();
    for (const { recipient, sealed_data } of rows) {
      for (const box of [one, other, after]) {
        assert.equal(box.open(sealed_data ?? "", `mail invitation ${recipient}`), recipient);
      }
      assert.throws(() => before.open(sealed_data ?? "", `mail invitation ${recipient}`));
    }
    assert.deepEqual(await resealSecrets({ database, secretBox: other, clock }, never), {
      resealed: 0,
      lost: [],
    });
    const audit = await database.read.selectFrom("audit_entries").select(["action", "detail"]).execute();
    assert.equal(audit.length, 1, "written down once");
  });

  test("a secret that no key opens is named, and the others are sealed all the same", async (t) => {
    const database = await open(t);
    await database.transaction(async (tx) => {
      await putFact(tx, "a", createSecretBox([randomBytes(32)]).seal("lost", "a"));
      await putFact(tx, "b", before.seal("kept", "b"));
    });
    const done = await resealSecrets({ database, secretBox: other, clock }, never);
    assert.deepEqual(done, { resealed: 1, lost: ["facts a"] });
  });
});

test("hashes of an older key are recognised as long as it is there", () => {
  assert.ok(other.hashes("secret").includes(before.hash("secret")));
  assert.ok(one.hashes("secret").includes(after.hash("secret")));
  assert.ok(!after.hashes("secret").includes(before.hash("secret")));
});

test("every place that seals is one that is sealed anew, or is short-lived", async () => {
  const source = join(import.meta.dirname, "../..");
  const found: string[] = [];
  for await (const file of glob("**/*.ts", { cwd: source })) {
    if (/\.test\.ts$|testing\/|^lib\/|^operations\/keys\//.test(file)) continue;
    if (/[bB]ox\.seal\(/.test(await readFile(join(source, file), "utf8"))) found.push(file);
  }
  assert.deepEqual(found.sort(), [
    "activity/audit/audit-signer.ts",
    "activity/audit/forwarders/manage-forwarders.ts",
    "activity/email/mail-queue.ts",
    "identity/decision-points/manage-decision-points.ts",
    "identity/elevations/manage-elevation-roles.ts",
    "identity/mfa/add-totp.ts",
    "identity/mfa/ticket.ts", // minutes
    "identity/providers/build-provider.ts",
    "identity/providers/sign-in-state.ts", // minutes
    "identity/sign-in/client-password.ts", // held by clients: docs/guide/keys.md
    "operations/health/check-health.ts", // opened at once
  ]);
});
