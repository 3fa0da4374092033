import assert from "node:assert/strict";
import { test } from "node:test";
import { digestOf, push, repositoryName } from "../../registry/testing/content.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { changeBlobs } from "./reconcile-placements.ts";
import { openTestRegions } from "./testing/open-test-regions.ts";

const app = repositoryName("acme/app");

eachDatabase((open) => {
  test("blobs that are collected while they are compared with where they should lie are passed over", async (t) => {
    const regions = await openTestRegions(open, t);
    const { database } = regions.eu;
    await push(regions.eu, app, "collected");
    const { id } = await database.read
      .selectFrom("blobs")
      .select("id")
      .where("digest", "=", digestOf("collected"))
      .executeTakeFirstOrThrow();
    const end = Promise.withResolvers<void>();
    const deleted = Promise.withResolvers<void>();
    const collecting = database.transaction(async (tx) => {
      await tx.deleteFrom("repository_blobs").where("blob_id", "=", id).execute();
      await tx.deleteFrom("blobs").where("id", "=", id).execute();
      deleted.resolve();
      await end.promise;
    });
    await deleted.promise;
    const known = { ...regions.known, byDefault: new Set(["asia"]) };
    const changing = changeBlobs({ database, clock: regions.eu.clock, known, seeksUnknown: true }, [id]);
    setTimeout(end.resolve, 100);
    await collecting;
    await changing;
    const left = database.read.selectFrom("blob_placements").select("region").where("blob_id", "=", id);
    assert.deepEqual(await left.execute(), []);
  });
});
