import assert from "node:assert/strict";
import { test } from "node:test";
import { parseReference } from "@entrepot/oci/reference";
import { anonymous } from "../../access/actor.ts";
import { sendTogether } from "../../storage/database/send-together.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { holdTransaction, untilWaiting } from "../../storage/database/testing/held-transaction.ts";
import {
  holdSoundBlob,
  linkBlob,
  listLinkedBlobIds,
  markUnlinkedBlobs,
  reviveBlob,
} from "../blobs/linked-blob-store.ts";
import { getLinkedBlob } from "../blobs/open-linked-blob.ts";
import { getManifest } from "../manifests/get-manifest.ts";
import { checkInvariants } from "../testing/check-invariants.ts";
import {
  bytesOf,
  chunkOf,
  digestOf,
  push,
  pushImage,
  repositoryName,
  storedObjects,
} from "../testing/content.ts";
import { beforeTransaction } from "../testing/interrupt.ts";
import { administrator, openTestRegistry } from "../testing/open-test-registry.ts";
import { addUser } from "../testing/people.ts";
import { appendToUpload } from "../uploads/append-to-upload.ts";
import { beginUpload } from "../uploads/begin-upload.ts";
import { changeRepository, deleteRepository, getRepository } from "./change-repository.ts";
import { ensureRepository } from "./ensure-repository.ts";
import { listCatalog } from "./list-catalog.ts";
import { deleteRepositoryRow, findRepositoryId, lockRepositoryForLink } from "./repository-store.ts";

const name = repositoryName("acme/app");

eachDatabase((open) => {
  test("the first push creates a repository, once, however many come at the same time", async (t) => {
    const registry = await openTestRegistry(open, t);
    const calls = [1, 2, 3, 4].map(() => ensureRepository(registry.deps, registry.call(), name));
    const ids = new Set([
      ...(await Promise.all(calls)),
      await ensureRepository(registry.deps, registry.call(), name),
    ]);
    assert.equal(ids.size, 1);
    const { read } = registry.database;
    const events = await read.selectFrom("events").select(["kind", "payload"]).execute();
    assert.deepEqual(
      events.map(({ kind, payload }) => [kind, payload]),
      [["repository.created", '{"visibility":"private"}']],
    );
    const namespaces = await read.selectFrom("namespaces").select("name").execute();
    assert.deepEqual(
      namespaces.map((namespace) => namespace.name),
      ["acme"],
    );
    const { createdAtMs, visibility } = await getRepository(registry.deps, name);
    assert.deepEqual([createdAtMs, visibility], [registry.clock.nowMs(), "private"]);
  });

  test("a repository takes its namespace's visibility, and one component lies in the default namespace", async (t) => {
    const registry = await openTestRegistry(open, t, { defaultVisibility: "public" });
    await ensureRepository(registry.deps, registry.call(), repositoryName("alpine"));
    await registry.database.transaction((tx) =>
      tx
        .updateTable("namespaces")
        .set({ default_visibility: "private" })
        .where("name", "=", "library")
        .execute(),
    );
    await ensureRepository(registry.deps, registry.call(), repositoryName("library/second"));
    assert.equal((await getRepository(registry.deps, repositoryName("alpine"))).visibility, "public");
    assert.equal(
      (await getRepository(registry.deps, repositoryName("library/second"))).visibility,
      "private",
    );
  });

  test("a repository that appears and goes at that moment is created all the same", async (t) => {
    const registry = await openTestRegistry(open, t);
    const deps = beforeTransaction(registry.deps, 1, () =>
      ensureRepository(registry.deps, registry.call(), name),
    );
    assert.equal(typeof (await ensureRepository(deps, registry.call(), name)), "number");
    assert.equal((await registry.database.read.selectFrom("events").select("id").execute()).length, 1);
  });

  test("visibility is changed with an event that tells before and after", async (t) => {
    const registry = await openTestRegistry(open, t);
    await ensureRepository(registry.deps, registry.call(), name);
    const stranger = await addUser(registry, "stranger");
    assert.equal(await registry.deps.access.decide(stranger, "pull", name), "denied");
    const changed = await changeRepository(registry.deps, registry.call(), name, { visibility: "public" });
    assert.equal(changed.visibility, "public");
    assert.equal(await registry.deps.access.decide(stranger, "pull", name), "allowed");
    const events = await registry.database.read
      .selectFrom("events")
      .select("payload")
      .orderBy("id")
      .execute();
    assert.deepEqual(JSON.parse(events[1]?.payload ?? ""), { before: "private", visibility: "public" });
    const missing = repositoryName("no/where");
    await assert.rejects(
      changeRepository(registry.deps, registry.call(), missing, { visibility: "public" }),
      {
        code: "NAME_UNKNOWN",
      },
    );
  });

  test("deleting takes everything in it, and blobs that nobody else links start their time", async (t) => {
    const registry = await openTestRegistry(open, t);
    const other = repositoryName("acme/other");
    const digest = await pushImage(registry, name, { layers: ["own", "shared"] }, ["v1"]);
    await push(registry, other, "shared");
    const id = await beginUpload(registry.deps, registry.call(), { repository: name, algorithm: "sha256" });
    await appendToUpload(registry.deps, registry.call(), { repository: name, id }, chunkOf(bytesOf("abc")));
    await getManifest(registry.deps, name, parseReference("v1"));
    await getLinkedBlob(registry.deps, name, digestOf("own"));
    await deleteRepository(registry.deps, registry.call(), name);
    await assert.rejects(getRepository(registry.deps, name), { code: "NAME_UNKNOWN" });
    for (const reference of ["v1", digest]) {
      await assert.rejects(getManifest(registry.deps, name, parseReference(reference)), {
        code: "MANIFEST_UNKNOWN",
      });
    }
    await assert.rejects(getLinkedBlob(registry.deps, name, digestOf("own")), { code: "BLOB_UNKNOWN" });
    assert.ok((await storedObjects(registry)).every((line) => line.startsWith("blob ")));
    await getLinkedBlob(registry.deps, other, digestOf("shared"));
    await checkInvariants(registry.database, registry.blobs);
    const events = await registry.database.read.selectFrom("events").select("kind").orderBy("id").execute();
    assert.equal(events.at(-1)?.kind, "repository.deleted");
    await assert.rejects(deleteRepository(registry.deps, registry.call(), name), { code: "NAME_UNKNOWN" });
  });

  test("of two deletes at once, one does it", async (t) => {
    const registry = await openTestRegistry(open, t);
    await push(registry, name, "abc");
    const deps = beforeTransaction(registry.deps, 1, () =>
      deleteRepository(registry.deps, registry.call(), name),
    );
    await deleteRepository(deps, registry.call(), name);
    const events = await registry.database.read
      .selectFrom("events")
      .select("id")
      .where("kind", "=", "repository.deleted")
      .execute();
    assert.equal(events.length, 1);
  });

  test("the catalog shows each caller what they may pull, by pages", async (t) => {
    const registry = await openTestRegistry(open, t, { anonymousAccess: "pull" });
    const names = ["acme/app", "acme/open", "zoo/app", "zoo/own"].map(repositoryName);
    for (const each of names) await ensureRepository(registry.deps, registry.call(), each);
    const [app, publicOne] = names;
    assert.ok(app !== undefined && publicOne !== undefined);
    await changeRepository(registry.deps, registry.call(), publicOne, { visibility: "public" });
    const reader = await addUser(registry, "reader", [[app, "read"]]);
    const stranger = await addUser(registry, "stranger");
    const owner = await addUser(registry, "owner");
    await registry.database.transaction((tx) =>
      tx.updateTable("namespaces").set({ owner_user_id: owner.userId }).where("name", "=", "zoo").execute(),
    );
    registry.deps.access.changed();
    const list = async (actor: Parameters<typeof listCatalog>[1], limit = 100, last?: string) => {
      const page = await listCatalog(registry.deps, actor, { limit, last });
      return [page.repositories.map((repository) => repository.name), page.hasMore];
    };
    assert.deepEqual(await list(administrator), [names, false]);
    assert.deepEqual(await list(administrator, 2), [names.slice(0, 2), true]);
    assert.deepEqual(await list(administrator, 2, names[1]), [names.slice(2), false]);
    assert.deepEqual(await list(administrator, 0), [[], false]);
    assert.deepEqual(await list(reader), [["acme/app", "acme/open"], false]);
    assert.deepEqual(await list(stranger), [["acme/open"], false]);
    assert.deepEqual(await list(anonymous), [["acme/open"], false]);
    assert.deepEqual(await list(owner), [["acme/open", "zoo/app", "zoo/own"], false]);
    const scoped = { ...reader, credentialScopes: [] };
    assert.deepEqual(await list(scoped), [[], false], "a token without scopes lists nothing");
    await assert.rejects(
      listCatalog(registry.deps, { ...reader, limits: [] }, { limit: 1, last: undefined }),
      {
        code: "UNAUTHORIZED",
      },
    );
  });

  test("without anonymous access nobody in particular sees an empty catalog", async (t) => {
    const registry = await openTestRegistry(open, t, { defaultVisibility: "public" });
    await ensureRepository(registry.deps, registry.call(), name);
    const { repositories } = await listCatalog(registry.deps, anonymous, { limit: 9, last: undefined });
    assert.deepEqual(repositories, []);
  });

  // On SQLite write transactions run one after the other.
  if (open.engine === "sqlite") return;

  test("a blob that is linked while its repository is deleted is left to the collector, too", async (t) => {
    const registry = await openTestRegistry(open, t);
    const elsewhere = repositoryName("acme/elsewhere");
    const digest = await push(registry, elsewhere, "abc");
    await deleteRepository(registry.deps, registry.call(), elsewhere);
    await ensureRepository(registry.deps, registry.call(), name);
    const nowMs = registry.clock.nowMs();
    const letGo = await holdTransaction(registry.database, async (tx) => {
      const [[repository], [blob]] = await sendTogether(tx, [
        lockRepositoryForLink(tx, { name }),
        holdSoundBlob(tx, digest),
      ]);
      assert.ok(repository !== undefined && blob !== undefined);
      await sendTogether(tx, [
        reviveBlob(tx, blob.id),
        linkBlob(tx, { repositoryId: repository.id, digest, blobId: blob.id, nowMs }),
      ]);
    });
    const deleting = deleteRepository(registry.deps, registry.call(), name);
    await untilWaiting(registry.database, 1, deleting);
    await letGo();
    await deleting;
    await checkInvariants(registry.database, registry.blobs);
  });

  test("two repositories that are deleted at once leave what only they had to the collector", async (t) => {
    const registry = await openTestRegistry(open, t);
    const elsewhere = repositoryName("acme/elsewhere");
    await pushImage(registry, name, { layers: ["layer"] });
    await pushImage(registry, elsewhere, { layers: ["layer"] });
    const letGo = await holdTransaction(registry.database, async (tx) => {
      const repositoryId = (await findRepositoryId(tx, elsewhere)) ?? 0;
      const blobIds = await listLinkedBlobIds(tx, repositoryId);
      await deleteRepositoryRow(tx, repositoryId);
      await markUnlinkedBlobs(tx, blobIds, registry.clock.nowMs());
    });
    const deleting = deleteRepository(registry.deps, registry.call(), name);
    await untilWaiting(registry.database, 1, deleting);
    await letGo();
    await deleting;
    await checkInvariants(registry.database, registry.blobs);
  });
});
