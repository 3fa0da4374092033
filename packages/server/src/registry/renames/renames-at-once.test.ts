import assert from "node:assert/strict";
import { test } from "node:test";
import { holdNamespace, insertNamespaceAlias } from "../../access/namespace-alias-store.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { holdTransaction, untilWaiting } from "../../storage/database/testing/held-transaction.ts";
import { ensureRepository } from "../repositories/ensure-repository.ts";
import { ensureNamespace } from "../repositories/repository-store.ts";
import { repositoryName } from "../testing/content.ts";
import { openTestRegistry } from "../testing/open-test-registry.ts";
import { addNamespace } from "../testing/people.ts";
import { renameNamespace } from "./rename-namespace.ts";
import { moveNamespace } from "./rename-store.ts";

eachDatabase((open) => {
  // On SQLite write transactions run one after the other.
  if (open.engine === "sqlite") return;

  test("of two organizations that are renamed at once, none gets the name that the other has given up", async (t) => {
    const registry = await openTestRegistry(open, t);
    await addNamespace(registry, "acme");
    await addNamespace(registry, "zoo");
    const { database } = registry;
    const letGo = await holdTransaction(database, async (tx) => {
      const { id = 0 } = (await holdNamespace(tx, "acme")) ?? {};
      await moveNamespace(tx, { id, from: "acme", to: "apex" });
      await insertNamespaceAlias(tx, { name: "acme", namespaceId: id, nowMs: 0 });
    });
    const renaming = renameNamespace(registry.deps, registry.call(), { from: "zoo", to: "acme" });
    await untilWaiting(database, 1, renaming);
    await letGo();
    await assert.rejects(renaming, { code: "ALREADY_EXISTS" });
  });

  test("what is created at the moment of a rename is told why it cannot be", async (t) => {
    const registry = await openTestRegistry(open, t);
    await addNamespace(registry, "acme");
    const { database } = registry;
    const isHeld = Promise.withResolvers<void>();
    const isWaitedFor = Promise.withResolvers<void>();
    const renaming = database.transaction(async (tx) => {
      const { id = 0 } = (await holdNamespace(tx, "acme")) ?? {};
      isHeld.resolve();
      await isWaitedFor.promise;
      await moveNamespace(tx, { id, from: "acme", to: "apex" });
    });
    await isHeld.promise;
    const pushing = ensureRepository(registry.deps, registry.call(), repositoryName("acme/new"));
    await untilWaiting(database, 1, pushing);
    isWaitedFor.resolve();
    await renaming;
    await assert.rejects(pushing, { code: "DENIED" });
  });

  test("a rename to a name that a push takes at that moment is refused as one that is taken", async (t) => {
    const registry = await openTestRegistry(open, t);
    await addNamespace(registry, "zoo");
    const letGo = await holdTransaction(registry.database, (tx) =>
      ensureNamespace(tx, { name: "acme", defaultVisibility: "private", nowMs: 0 }),
    );
    const renaming = renameNamespace(registry.deps, registry.call(), { from: "zoo", to: "acme" });
    await untilWaiting(registry.database, 1, renaming);
    await letGo();
    await assert.rejects(renaming, { code: "ALREADY_EXISTS" });
  });
});
