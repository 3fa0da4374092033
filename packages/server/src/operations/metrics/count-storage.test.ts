import assert from "node:assert/strict";
import { test } from "node:test";
import { push, repositoryName } from "../../registry/testing/content.ts";
import { openTestRegistry } from "../../registry/testing/open-test-registry.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { openTestJobs } from "../jobs/testing/open-test-jobs.ts";
import { countStorageKind } from "./count-storage.ts";
import { readNumbers } from "./storage-numbers-store.ts";

eachDatabase((open) => {
  test("counts what there is, once for all instances", async (t) => {
    const registry = await openTestRegistry(open, t);
    const { database, clock } = registry;
    for (const text of ["abc", "de"]) await push(registry, repositoryName("library/app"), text);
    const kind = countStorageKind({ database, clock });
    const jobs = openTestJobs(t, database, [kind]);
    assert.equal(await readNumbers(database.read), undefined);
    const id = await jobs.enqueue(kind);
    await jobs.instance().start();
    await jobs.until(id, "done");
    assert.deepEqual(await readNumbers(database.read), {
      blobs: 2,
      blobBytes: 5,
      manifests: 0,
      repositories: 1,
      uploads: 0,
      countedAtMs: clock.nowMs(),
    });
  });
});
