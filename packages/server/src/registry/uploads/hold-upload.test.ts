import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { bytesOf, chunkOf, repositoryName } from "../testing/content.ts";
import { InjectedFault } from "../testing/faults.ts";
import { gatedBody } from "../testing/gated-body.ts";
import { beforeTransaction } from "../testing/interrupt.ts";
import { openTestRegistry, type TestRegistry } from "../testing/open-test-registry.ts";
import { appendToUpload } from "./append-to-upload.ts";
import { beginUpload } from "./begin-upload.ts";
import { cancelUpload } from "./cancel-upload.ts";
import { getUpload } from "./get-upload.ts";
import { holdUpload } from "./hold-upload.ts";
import { releaseClaimsOf } from "./upload-store.ts";

const repository = repositoryName("library/app");

eachDatabase((open) => {
  test("a second request of the client takes over from its dead one, which keeps what came", async (t) => {
    const { registry, target, append } = await openUpload(t);
    const dead = gatedBody();
    const first = appendToUpload(registry.deps, registry.call(), target, {
      body: dead.stream,
      range: undefined,
    });
    await dead.send(bytesOf("abc"));
    const second = append("def", 3);
    await assert.rejects(first, { code: "BLOB_UPLOAD_INVALID" });
    assert.equal(await second, 6);
    assert.equal((await getUpload(registry.deps, target)).offsetBytes, 6);
    assert.equal((await claimOf(registry)).by, null);
  });

  test("a third request waits for its turn, too", async (t) => {
    const { registry, target, append } = await openUpload(t);
    const bodies = [gatedBody(), gatedBody()];
    const deads = bodies.map((body) =>
      appendToUpload(registry.deps, registry.call(), target, { body: body.stream, range: undefined }),
    );
    const results = await Promise.allSettled([...deads, append("abc")]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ["rejected", "rejected", "fulfilled"],
    );
  });

  test("a client that goes while it waits for a writer that hangs is waited for no more", async (t) => {
    const { registry, target, append } = await openUpload(t);
    const storage = Promise.withResolvers<void>();
    const hung = holdUpload(registry.deps, registry.call(), target, () => storage.promise);
    const client = new AbortController();
    const second = holdUpload(
      registry.deps,
      registry.call({ signal: client.signal }),
      target,
      async () => {},
    );
    client.abort();
    await assert.rejects(second, { code: "CONFLICT", message: /another request is writing/ });
    const third = append("abc");
    storage.resolve();
    await hung;
    assert.equal(await third, 3);
  });

  test("stops a request that is still reading the bytes so far", async (t) => {
    const { registry, target, append } = await openUpload(t);
    await append("abc");
    const restarted = registry.instance("instance-1");
    let second: Promise<number> | undefined;
    const deps: RegistryDeps = {
      ...restarted,
      blobs: {
        ...restarted.blobs,
        openUploadForReading: async (id, size) => {
          second ??= appendToUpload(restarted, registry.call(), target, chunkOf(bytesOf("def"), 3));
          await new Promise((resolve) => setImmediate(resolve));
          return restarted.blobs.openUploadForReading(id, size);
        },
      },
    };
    const first = appendToUpload(deps, registry.call(), target, chunkOf(bytesOf("xyz"), 3));
    await assert.rejects(first, { code: "CONFLICT", message: /another request for this upload/ });
    assert.equal(await second, 6);
  });

  test("takes over from a dead request on another instance as well, which keeps what came", async (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const { registry, target, append } = await openUpload(t);
    const elsewhere = registry.instance("instance-2");
    const dead = gatedBody();
    const first = appendToUpload(elsewhere, registry.call(), target, { body: dead.stream, range: undefined });
    const firstEnds = assert.rejects(first, { code: "BLOB_UPLOAD_INVALID" });
    await dead.send(bytesOf("abc"));
    // Nobody asks: it goes on.
    t.mock.timers.tick(3_000);
    const second = append("def", 3);
    assert.equal(await ticking(t, second), 6);
    await firstEnds;
    assert.equal((await getUpload(registry.deps, target)).offsetBytes, 6);
    assert.equal((await claimOf(registry)).by, null);
  });

  test("waits no longer for another instance when its own client is gone", async (t) => {
    const { registry, target } = await openUpload(t);
    await claimedBy(registry, "dead:1");
    const call = registry.call({ signal: AbortSignal.abort() });
    await assert.rejects(appendToUpload(registry.deps, call, target, chunkOf(bytesOf("x"))), {
      code: "CONFLICT",
    });
  });

  test("an upload that an instance holds which says nothing is a conflict until its claim lapses", async (t) => {
    const { registry, target, append } = await openUpload(t);
    const elsewhere = registry.instance("instance-2");
    const slow = gatedBody();
    const first = appendToUpload(elsewhere, registry.call(), target, { body: slow.stream, range: undefined });
    const firstEnds = assert.rejects(first, { code: "CONFLICT" }, "who lost the claim records nothing");
    await slow.send(bytesOf("abc"));
    const { by } = await claimOf(registry);
    await claimedBy(registry, "dead:1");
    const refused = { code: "CONFLICT", retryAfterSeconds: 9 };
    await assert.rejects(append("x"), refused);
    await assert.rejects(cancelUpload(registry.deps, registry.call(), target), refused);
    await claimedBy(registry, by ?? "");
    registry.advance(30_000);
    assert.equal(await append("xy", 0), 2, "a stale claim is void");
    slow.end();
    await firstEnds;
    assert.equal((await getUpload(registry.deps, target)).offsetBytes, 2);
  });

  test("renews the claim while the work lasts, and stops the work when it was lost", async (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const { registry, target } = await openUpload(t);
    const body = gatedBody();
    const call = registry.call();
    const appending = appendToUpload(registry.deps, call, target, { body: body.stream, range: undefined });
    await body.send(bytesOf("abc"));
    const before = await claimOf(registry);
    registry.advance(3_000);
    t.mock.timers.tick(3_000);
    await settled(async () => (await claimOf(registry)).untilMs === before.untilMs + 3_000);
    registry.faults.arm({ what: "sql", at: 1 });
    t.mock.timers.tick(3_000);
    await settled(async () => registry.lines.length === 1);
    registry.faults.disarm();
    assert.equal(registry.lines[0]?.message, "could not renew the claim on an upload");
    await registry.database.transaction((tx) =>
      tx.updateTable("uploads").set({ claimed_by: "somebody else" }).execute(),
    );
    t.mock.timers.tick(3_000);
    await assert.rejects(appending, { code: "CONFLICT" });
    assert.equal((await claimOf(registry)).by, "somebody else", "a lost claim is not given back");
    assert.equal((await getUpload(registry.deps, target)).offsetBytes, 0, "nor is anything recorded");
  });

  test("gives the claim back when the work fails", async (t) => {
    const { registry, target } = await openUpload(t);
    const failure = new Error("of the work");
    await assert.rejects(
      holdUpload(registry.deps, registry.call(), target, () => Promise.reject(failure)),
      failure,
    );
    assert.deepEqual(await claimOf(registry), { by: null, untilMs: 0 });
  });

  test("a claim that cannot be given back is logged and lapses", async (t) => {
    const { registry, target, append } = await openUpload(t);
    const result = await holdUpload(registry.deps, registry.call(), target, async () => {
      registry.faults.arm({ what: "sql", at: 1 });
      return "done";
    });
    assert.equal(result, "done", "the work is done all the same");
    registry.faults.disarm();
    assert.equal(registry.lines[0]?.message, "could not give back the claim on an upload");
    assert.ok(registry.lines[0]?.fields["error"] instanceof InjectedFault);
    await assert.rejects(append("abc"), { code: "CONFLICT" });
    registry.advance(30_000);
    assert.equal(await append("abc"), 3);
  });

  test("a restart voids the claims of the process before, and nobody else's", async (t) => {
    const { registry, target, append } = await openUpload(t);
    const release = (notClaimedBy: string) =>
      registry.database.transaction((tx) => releaseClaimsOf(tx, { notClaimedBy }));
    await holdUpload(registry.instance("dead"), registry.call(), target, async () => {
      await release("dead");
      await assert.rejects(append("abc"), { code: "CONFLICT" });
      await release("instance-1");
      assert.equal(await append("abc"), 3);
    });
  });

  test("an upload that ends between the look and the claim is unknown", async (t) => {
    const { registry, target } = await openUpload(t);
    const deps = beforeTransaction(registry.deps, 1, () =>
      registry.database.transaction((tx) => tx.deleteFrom("uploads").execute()),
    );
    await assert.rejects(appendToUpload(deps, registry.call(), target, chunkOf(bytesOf("abc"))), {
      code: "BLOB_UPLOAD_UNKNOWN",
    });
  });

  async function openUpload(t: TestContext) {
    const registry = await openTestRegistry(open, t);
    const id = await beginUpload(registry.deps, registry.call(), { repository, algorithm: "sha256" });
    const target = { repository, id };
    const append = (text: string, start?: number) =>
      appendToUpload(registry.deps, registry.call(), target, chunkOf(bytesOf(text), start));
    return { registry, target, append };
  }
});

async function claimOf(registry: TestRegistry) {
  const row = await registry.database.read
    .selectFrom("uploads")
    .select(["claimed_by", "claimed_until_ms"])
    .executeTakeFirstOrThrow();
  return { by: row.claimed_by, untilMs: row.claimed_until_ms };
}

async function claimedBy(registry: TestRegistry, claimant: string): Promise<void> {
  await registry.database.transaction((tx) =>
    tx
      .updateTable("uploads")
      .set({ claimed_by: claimant, claimed_until_ms: registry.clock.nowMs() + 9_000 })
      .execute(),
  );
}

/** What the work comes to while the mocked clock of the renewals goes on. */
async function ticking<T>(t: TestContext, work: Promise<T>): Promise<T> {
  let isOver = false;
  const over = work.finally(() => (isOver = true));
  over.catch(() => {});
  while (!isOver) {
    t.mock.timers.tick(500);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return over;
}

/** Waits for what the event loop brings about; the test's own time limit ends it. */
async function settled(isTrue: () => Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setImmediate(resolve));
}
