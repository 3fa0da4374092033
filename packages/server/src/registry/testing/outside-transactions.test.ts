import assert from "node:assert/strict";
import { test } from "node:test";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { openTestRegistry } from "./open-test-registry.ts";

eachDatabase((open) => {
  test("a call of the blob store inside a transaction fails, after it it does not", async (t) => {
    const registry = await openTestRegistry(open, t);
    await assert.rejects(
      registry.database.transaction(() => registry.deps.blobs.probe()),
      /in a transaction/,
    );
    await registry.database.transaction(async (tx) => {
      await tx.selectFrom("counters").selectAll().execute();
    });
    await registry.deps.blobs.probe();
  });
});
