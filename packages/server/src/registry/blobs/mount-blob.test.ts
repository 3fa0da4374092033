import assert from "node:assert/strict";
import { test } from "node:test";
import { anonymous } from "../../access/actor.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { changeRepository } from "../repositories/change-repository.ts";
import { checkInvariants } from "../testing/check-invariants.ts";
import { digestOf, push, readBlob, repositoryName, storedObjects } from "../testing/content.ts";
import { beforeTransaction } from "../testing/interrupt.ts";
import { openTestRegistry, type TestRegistry } from "../testing/open-test-registry.ts";
import { addUser } from "../testing/people.ts";
import { mountBlob } from "./mount-blob.ts";

const source = repositoryName("secret/app");
const repository = repositoryName("open/app");

eachDatabase((open) => {
  test("links a blob without moving bytes, with and without naming where it is", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, source, "abc");
    const before = await storedObjects(registry);
    const reader = await addUser(registry, "reader", [[source, "read"]]);
    for (const from of [source, undefined]) {
      const call = registry.call({ actor: reader });
      assert.equal(await mountBlob(registry.deps, call, { repository, digest, from }), true);
      assert.equal(await readBlob(registry.deps, repository, digest), "abc");
    }
    assert.deepEqual(await storedObjects(registry), before);
    const events = await registry.database.read
      .selectFrom("events")
      .select(["actor", "repository", "payload"])
      .where("kind", "=", "blob.mounted")
      .orderBy("id")
      .execute();
    assert.deepEqual(
      events.map((event) => [event.actor, event.repository, JSON.parse(event.payload)]),
      [
        ["reader", repository, { digest, from: source }],
        ["reader", repository, { digest, from: null }],
      ],
    );
    await checkInvariants(registry.database, registry.blobs);
  });

  test("a private blob cannot be mounted by who may not read it, and looks like one that nobody has", async (t) => {
    const registry = await openTestRegistry(open, t, { anonymousAccess: "pull" });
    const digest = await push(registry, source, "secret");
    await push(registry, repository, "own");
    const stranger = await addUser(registry, "stranger", [[repository, "write"]]);
    for (const actor of [stranger, anonymous]) {
      for (const from of [source, undefined, repository, repositoryName("no/where")]) {
        for (const asked of [digest, digestOf("nobody has it")]) {
          const before = await rowsOf(registry);
          const mount = { repository, digest: asked, from };
          assert.equal(await mountBlob(registry.deps, registry.call({ actor }), mount), false);
          assert.deepEqual(await rowsOf(registry), before, "nothing tells that it was there");
        }
      }
    }
    await assert.rejects(readBlob(registry.deps, repository, digest), { code: "BLOB_UNKNOWN" });
  });

  test("a blob of a public repository may be mounted by everybody, until it is private again", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, source, "abc");
    await push(registry, repository, "own");
    const stranger = await addUser(registry, "stranger", [[repository, "write"]]);
    const mount = { repository, digest, from: undefined };
    const tryIt = () => mountBlob(registry.deps, registry.call({ actor: stranger }), mount);
    assert.equal(await tryIt(), false);
    await changeRepository(registry.deps, registry.call(), source, { visibility: "public" });
    assert.equal(await tryIt(), true);
  });

  test("the owner of a namespace mounts from it, and what one has mounted stays one's own", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, source, "abc");
    await push(registry, repository, "own");
    const owner = await addUser(registry, "owner", [[repository, "write"]]);
    await registry.database.transaction((tx) =>
      tx
        .updateTable("namespaces")
        .set({ owner_user_id: owner.userId })
        .where("name", "=", "secret")
        .execute(),
    );
    registry.deps.access.changed();
    for (const from of [undefined, source]) {
      const call = registry.call({ actor: owner });
      assert.equal(await mountBlob(registry.deps, call, { repository, digest, from }), true);
    }
  });

  test("`from` must hold the blob itself", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, source, "abc");
    const other = repositoryName("library/other");
    await push(registry, other, "something else");
    const mount = { repository, digest, from: other };
    assert.equal(await mountBlob(registry.deps, registry.call(), mount), false);
    const rows = await registry.database.read
      .selectFrom("repositories")
      .select("id")
      .where("name", "=", repository)
      .execute();
    assert.deepEqual(rows, [], "no repository is made for nothing");
  });

  test("a blob that is collected at that moment is not mounted", async (t) => {
    const registry = await openTestRegistry(open, t);
    const digest = await push(registry, source, "abc");
    await push(registry, repository, "own");
    const deps = beforeTransaction(registry.deps, 1, () =>
      registry.database.transaction(async (tx) => {
        await tx.deleteFrom("repository_blobs").where("digest", "=", digest).execute();
        await tx.deleteFrom("blobs").where("digest", "=", digest).execute();
      }),
    );
    assert.equal(await mountBlob(deps, registry.call(), { repository, digest, from: source }), false);
    const events = await registry.database.read
      .selectFrom("events")
      .select("id")
      .where("kind", "=", "blob.mounted")
      .execute();
    assert.deepEqual(events, []);
  });
});

async function rowsOf({ database: { read } }: TestRegistry) {
  return {
    links: await read.selectFrom("repository_blobs").selectAll().execute(),
    blobs: await read.selectFrom("blobs").selectAll().execute(),
    events: await read.selectFrom("events").select("id").execute(),
  };
}
