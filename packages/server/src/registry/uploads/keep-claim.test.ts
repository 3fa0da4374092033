import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { BlobStore } from "../../storage/blob-store/blob-store.ts";
import { openFilesystemBlobStore } from "../../storage/blob-store/filesystem/filesystem-blob-store.ts";
import { createObjectBlobStore } from "../../storage/blob-store/objects/object-blob-store.ts";
import type { ObjectMedium } from "../../storage/blob-store/objects/object-medium.ts";
import { createMemoryMedium } from "../../storage/blob-store/testing/memory-medium.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { checkInvariants } from "../testing/check-invariants.ts";
import { bytesOf, chunkOf, digestOf, push, readBlob, repositoryName } from "../testing/content.ts";
import { InjectedFault } from "../testing/faults.ts";
import { gatedBody } from "../testing/gated-body.ts";
import { openTestRegistry } from "../testing/open-test-registry.ts";
import { appendToUpload } from "./append-to-upload.ts";
import { beginUpload } from "./begin-upload.ts";
import { cancelUpload } from "./cancel-upload.ts";
import { completeUpload } from "./complete-upload.ts";
import { getUpload } from "./get-upload.ts";

const repository = repositoryName("library/app");
const taken = { code: "CONFLICT" };

const stores: Readonly<Record<string, (t: TestContext) => Promise<BlobStore>>> = {
  "a shared folder": async (t) => {
    const root = await mkdtemp(join(tmpdir(), "entrepot-claims-"));
    t.after(() => rm(root, { recursive: true, force: true }));
    return openFilesystemBlobStore(root);
  },
  "an object store": async () => createObjectBlobStore(createMemoryMedium({ partBytes: 64, maxParts: 3 })),
};

eachDatabase((open) => {
  for (const [where, openBlobs] of Object.entries(stores)) {
    test(`who was frozen while another took over writes nothing any more, on ${where}`, async (t) => {
      const { registry, append, close, elsewhere } = await start(t, openBlobs);
      for (const isCanceled of [false, true]) {
        const body = gatedBody();
        const giveUp = new AbortController();
        const call = registry.call({ signal: giveUp.signal });
        const first = append("", registry.deps, { body: body.stream, range: undefined }, call);
        await body.send(bytesOf("xyz"));
        registry.advance(9_000);
        const sizeBytes = await append("ab", elsewhere);
        if (isCanceled) giveUp.abort(new Error("the client is gone"));
        else body.end();
        await assert.rejects(first, taken);
        assert.equal(sizeBytes, isCanceled ? 4 : 2);
      }
      assert.equal(await append("cd", elsewhere), 6, "it goes on where the other one acknowledged");
      await close("ababcd", elsewhere);
    });

    test(`who learns by a renewal that the claim is lost throws away what came, on ${where}`, async (t) => {
      t.mock.timers.enable({ apis: ["setInterval"] });
      const { registry, append, close, elsewhere } = await start(t, openBlobs);
      const body = gatedBody();
      const first = append("", registry.deps, { body: body.stream, range: undefined });
      const firstEnds = assert.rejects(first, taken);
      await body.send(bytesOf("xyz"));
      await registry.database.transaction((tx) =>
        tx.updateTable("uploads").set({ claimed_until_ms: 0 }).execute(),
      );
      await append("ab", elsewhere);
      t.mock.timers.tick(3_000);
      await firstEnds;
      await close("ab", elsewhere);
    });

    test(`who was frozen before the end of an upload moves nothing of what another wrote, on ${where}`, async (t) => {
      for (const isKnown of [false, true]) {
        const { registry, target, append, close, elsewhere } = await start(t, openBlobs);
        await append("ab");
        if (isKnown) await push(registry, repositoryName("library/other"), "ab");
        const frozen = afterTransaction(registry.deps, 1, async () => {
          registry.advance(9_000);
          await append("cd", elsewhere);
        });
        const digest = digestOf("ab");
        await assert.rejects(
          completeUpload(frozen, registry.call(), { ...target, digest }, undefined),
          taken,
        );
        assert.equal((await getUpload(elsewhere, target)).offsetBytes, 4);
        await close("abcd", elsewhere);
      }
    });

    test(`who was frozen before the first byte, or before dropping an upload, cuts nothing off, on ${where}`, async (t) => {
      const { registry, target, append, close, elsewhere } = await start(t, openBlobs);
      const freeze = (text: string) =>
        afterTransaction(registry.deps, 1, async () => {
          registry.advance(9_000);
          await append(text, elsewhere);
        });
      await assert.rejects(append("xyz", freeze("ab")), taken);
      await assert.rejects(cancelUpload(freeze("cd"), registry.call(), target), taken);
      await close("abcd", elsewhere);
    });
  }

  const lost = "answer lost";
  for (const [what, sizeBytes, ends] of [
    ["a small object", 3, taken],
    ["an object in parts", 150, taken],
    ["a small object whose answer was lost", 3, new InjectedFault(lost)],
    ["an object in parts whose answer was lost", 150, new InjectedFault(lost)],
  ] as const) {
    test(`${what} that was on its way for so long that another took over is taken back`, async (t) => {
      const medium = createMemoryMedium({ partBytes: 64, maxParts: 4 });
      const meanwhile = happensOnce();
      const answer = (isLate: boolean) => {
        if (isLate && ends instanceof Error) throw ends;
      };
      const slow: ObjectMedium = {
        ...medium,
        put: async (key, bytes) => {
          const copy = Buffer.from(bytes);
          const isLate = meanwhile.isDue();
          await meanwhile.happen();
          await medium.put(key, copy);
          answer(isLate);
        },
        begin: async (key) => {
          const object = await medium.begin(key);
          const complete = async () => {
            const isLate = meanwhile.isDue();
            await meanwhile.happen();
            await object.complete();
            answer(isLate);
          };
          return { ...object, complete };
        },
      };
      const { registry, append, close, elsewhere } = await start(t, async () => createObjectBlobStore(slow));
      await append("ab");
      meanwhile.do(async () => {
        registry.advance(9_000);
        await append("cd", elsewhere);
      });
      await assert.rejects(append("x".repeat(sizeBytes)), ends);
      assert.equal(await append("ef", elsewhere), 6);
      await close("abcdef", elsewhere);
      assert.equal(medium.unfinished.size, 0);
    });
  }

  test("what is taken back is nothing that another goes on with: it stays whole, also when the upload is a blob by then", async (t) => {
    for (const isClosed of [false, true]) {
      const medium = createMemoryMedium({ partBytes: 64, maxParts: 4 });
      const meanwhile = happensOnce();
      const slow: ObjectMedium = {
        ...medium,
        put: async (key, bytes) => {
          await medium.put(key, Buffer.from(bytes));
          // It has arrived, replacing what lay there, but who sent it is frozen.
          await meanwhile.happen();
        },
      };
      const { registry, append, close, elsewhere } = await start(t, async () => createObjectBlobStore(slow));
      await append("ab");
      const rest = "c".repeat(100);
      meanwhile.do(async () => {
        registry.advance(9_000);
        await append(rest, elsewhere);
        if (isClosed) await close(`ab${rest}`, elsewhere);
      });
      await assert.rejects(append("xyz"), taken);
      if (!isClosed) await close(`ab${rest}`, elsewhere);
      // By one that remembers nothing.
      const third = registry.instance("instance-3");
      assert.equal(await readBlob(third, repository, digestOf(`ab${rest}`)), `ab${rest}`);
    }
  });

  test("who was shown what another has written meanwhile, as a list came late, removes nothing of it", async (t) => {
    const medium = createMemoryMedium({ partBytes: 64, maxParts: 4 });
    const meanwhile = happensOnce();
    const slow: ObjectMedium = {
      ...medium,
      async *list(prefix) {
        await meanwhile.happen();
        yield* medium.list(prefix);
      },
    };
    const started = await start(t, async () => createObjectBlobStore(slow));
    const { registry, target, append, close, elsewhere } = started;
    await append("ab");
    for (const text of ["cd", "ef"]) {
      meanwhile.do(async () => {
        registry.advance(9_000);
        await append(text, elsewhere);
      });
      const late = text === "cd" ? append("xyz") : cancelUpload(registry.deps, registry.call(), target);
      await assert.rejects(late, taken);
    }
    await close("abcdef", elsewhere);
  });

  test("an object that is full before the request ends is taken back as well", async (t) => {
    const medium = createMemoryMedium({ partBytes: 64, maxParts: 2 });
    const meanwhile = happensOnce();
    const slow: ObjectMedium = {
      ...medium,
      begin: async (key) => {
        const object = await medium.begin(key);
        const complete = async () => {
          await meanwhile.happen();
          await object.complete();
        };
        return { ...object, complete };
      },
    };
    const { registry, append, close, elsewhere } = await start(t, async () => createObjectBlobStore(slow));
    await append("ab");
    meanwhile.do(async () => {
      registry.advance(9_000);
      await append("cd", elsewhere);
    });
    await assert.rejects(append("x".repeat(150)), taken);
    await close("abcd", elsewhere);
  });

  test("a holder whose renewals fail stops before its claim ends, and one whose database says nothing does, too", async (t) => {
    for (const how of ["fails", "hangs"] as const) {
      t.mock.timers.enable({ apis: ["setInterval"] });
      const { registry, append } = await start(t);
      const body = gatedBody();
      let isCutOff = false;
      const deps = withTransactions(registry.deps, (transaction) => {
        if (!isCutOff) return transaction();
        return how === "fails" ? Promise.reject(new InjectedFault("cut off")) : new Promise(() => {});
      });
      const first = append("", deps, { body: body.stream, range: undefined });
      let failure: unknown;
      first.catch((error: unknown) => (failure = error));
      await body.send(bytesOf("abc"));
      const { claimed_until_ms: endsAtMs } = await registry.database.read
        .selectFrom("uploads")
        .select("claimed_until_ms")
        .executeTakeFirstOrThrow();
      isCutOff = true;
      registry.advance(6_000);
      t.mock.timers.tick(6_000);
      for (let turns = 0; turns < 20; turns++) await nextTurn();
      assert.equal(failure, undefined, "the next renewal may succeed");
      registry.advance(1_500);
      t.mock.timers.tick(1_000);
      // What it writes is refused before the request ends, which waits until the claim can be given back.
      while (!body.stream.isPaused()) await nextTurn();
      isCutOff = false;
      if (how === "fails") await assert.rejects(first, taken);
      assert.ok(registry.clock.nowMs() < endsAtMs, "nobody else can have it yet");
      t.mock.timers.reset();
    }
  });

  test("a renewal whose answer comes after that of the next one stops nobody, and hides nobody who asks", async (t) => {
    t.mock.timers.enable({ apis: ["setInterval"] });
    const { registry, target, append } = await start(t);
    const body = gatedBody();
    const late = Promise.withResolvers<void>();
    let renewals = 0;
    let isHeld = false;
    const deps = withTransactions(registry.deps, async (transaction) => {
      const result = await transaction();
      if (!isHeld) return result;
      renewals += 1;
      if (renewals === 1) await late.promise;
      return result;
    });
    const first = append("", deps, { body: body.stream, range: undefined });
    const ends = assert.rejects(first, { code: "BLOB_UPLOAD_INVALID" });
    await body.send(bytesOf("abc"));
    isHeld = true;
    const renewed = async (times: number) => {
      registry.advance(3_000);
      t.mock.timers.tick(3_000);
      while (renewals < times) await nextTurn();
      for (let turns = 0; turns < 20; turns++) await nextTurn();
    };
    await renewed(1);
    await renewed(2);
    late.resolve();
    await renewed(3);
    assert.ok(!body.stream.isPaused(), "nobody has asked");
    await registry.database.transaction((tx) =>
      tx
        .updateTable("uploads")
        .set(({ eb }) => ({ claimed_until_ms: eb("claimed_until_ms", "-", 1) }))
        .where("id", "=", target.id)
        .execute(),
    );
    await renewed(4);
    await ends;
  });

  test("a holder that was frozen and not missed asks, and goes on", async (t) => {
    const { registry, append, close } = await start(t);
    const body = gatedBody();
    const first = append("", registry.deps, { body: body.stream, range: undefined });
    await body.send(bytesOf("abc"));
    registry.advance(60_000);
    body.end();
    assert.equal(await first, 3);
    await close("abc");
  });

  test("an instance whose clock is ahead takes no claim that lasts", async (t) => {
    const { registry, append, elsewhere } = await start(t);
    const here = { ...registry.deps, claimClock: undefined };
    // What the tests' clock shows is months ahead of the database's.
    const ahead = { ...elsewhere, claimClock: undefined };
    const body = gatedBody();
    const first = append("", { ...here, clock: { nowMs: () => 0 } }, { body: body.stream, range: undefined });
    await body.send(bytesOf("abc"));
    await assert.rejects(append("x", ahead), taken);
    body.end();
    assert.equal(await first, 3);
    assert.equal(await append("def", ahead), 6);
  });

  async function start(t: TestContext, openBlobs?: (t: TestContext) => Promise<BlobStore>) {
    const blobs = await openBlobs?.(t);
    const registry = await openTestRegistry(open, t, blobs === undefined ? {} : { blobs });
    const id = await beginUpload(registry.deps, registry.call(), { repository, algorithm: "sha256" });
    const target = { repository, id };
    const append = (
      text: string,
      deps = registry.deps,
      chunk = chunkOf(bytesOf(text)),
      call = registry.call(),
    ) => appendToUpload(deps, call, target, chunk);
    const close = async (text: string, deps = registry.deps) => {
      const digest = digestOf(text);
      await completeUpload(deps, registry.call(), { ...target, digest }, undefined);
      assert.equal(await readBlob(deps, repository, digest), text);
      await checkInvariants(registry.database, registry.blobs);
    };
    return { registry, target, append, close, elsewhere: registry.instance("instance-2") };
  }
});

type Transactions = <T>(transaction: () => Promise<T>) => Promise<T>;

function withTransactions(deps: RegistryDeps, through: Transactions): RegistryDeps {
  const { database } = deps;
  return {
    ...deps,
    database: {
      ...database,
      transaction: (work, options) => through(() => database.transaction(work, options)),
    },
  };
}

/** The same process, but something else happens between its `at`-th transaction from now on (from 1) and what it does then. */
function afterTransaction(deps: RegistryDeps, at: number, happen: () => Promise<unknown>): RegistryDeps {
  let transactions = 0;
  return withTransactions(deps, async (transaction) => {
    const result = await transaction();
    transactions += 1;
    if (transactions === at) await happen();
    return result;
  });
}

/** What somebody else does while a request is on its way: once, at the next one. */
function happensOnce() {
  let work: (() => Promise<unknown>) | undefined;
  return {
    do(next: () => Promise<unknown>) {
      work = next;
    },
    isDue: () => work !== undefined,
    async happen() {
      const due = work;
      work = undefined;
      await due?.();
    },
  };
}
