import assert from "node:assert/strict";
import { test } from "node:test";
import { tryParseEmailAddress } from "../../lib/email-address.ts";
import { createSecretBox } from "../../lib/secret-box.ts";
import type { Tx } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { holdTransaction, untilWaiting } from "../../storage/database/testing/held-transaction.ts";
import { createMailQueue } from "./mail-queue.ts";

const mails = createMailQueue(createSecretBox([Buffer.alloc(32, 1)]));

/** Queues a mail unless the address has had one; tells whether it has. */
async function queueOne(tx: Tx, address: string): Promise<boolean> {
  const to = tryParseEmailAddress(address);
  assert.ok(to !== undefined);
  const kind = "sign-up-name-taken";
  if (await mails.isFlooded(tx, { to, kinds: [kind], sinceMs: 0, limit: 1 })) return true;
  await mails.queue(tx, { to, kind, data: { username: "ann" }, nowMs: 1 });
  return false;
}

eachDatabase((open) => {
  test("counts what an address gets, each by itself", async (t) => {
    const database = await open(t);
    const ask = (address: string) => database.transaction((tx) => queueOne(tx, address));
    assert.deepEqual(
      [await ask("ann@example.org"), await ask("ann@example.org"), await ask("bob@example.org")],
      [false, true, false],
    );
  });

  // On SQLite write transactions run one after the other.
  if (open.engine === "sqlite") return;

  test("many that ask at once get no more through than one after the other", async (t) => {
    const database = await open(t);
    const letGo = await holdTransaction(database, (tx) => queueOne(tx, "ann@example.org"));
    const asking = database.transaction((tx) => queueOne(tx, "ann@example.org"));
    await untilWaiting(database, 1, asking);
    assert.equal(await database.transaction((tx) => queueOne(tx, "bob@example.org")), false);
    await letGo();
    assert.equal(await asking, true);
  });
});
