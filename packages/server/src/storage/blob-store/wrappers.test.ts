import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AppError } from "../../lib/app-error.ts";
import { systemClock } from "../../lib/clock.ts";
import { blobStoreContract, digestOf, id, put, write } from "./blob-store.contract.ts";
import type { BlobStore } from "./blob-store.ts";
import { createMemoryBlobStore } from "./memory/memory-blob-store.ts";
import { withFaults } from "./with-faults.ts";
import { withMetrics } from "./with-metrics.ts";
import { withRetry } from "./with-retry.ts";

const memory = () => createMemoryBlobStore(systemClock);
const patient = { attempts: 3, pause: async () => {}, onRetry: () => {} };
const under = (store: BlobStore) => async () => ({ store, dispose: async () => {} });

blobStoreContract("memory", async () => under(memory())());
blobStoreContract("with faults that never strike", async () =>
  under(withFaults(memory(), { decide: () => {} }))(),
);
blobStoreContract("with metrics", async () =>
  under(withMetrics(memory(), { observe: () => {}, wrote: () => {} }))(),
);
blobStoreContract("with retry", async () => under(withRetry(memory(), patient))());

/** Fails the n-th call of the life of a blob. */
function failing(call: number, when: "before" | "after") {
  return {
    decide(current: number, _operation: string, moment: string) {
      if (current === call && moment === when) throw new Error(`fault ${when} call ${call}`);
    },
  };
}

describe("a fault anywhere in the life of a blob", () => {
  for (const when of ["before", "after"] as const) {
    test(`that strikes ${when} the effect leaves what discarding or committing again mends`, async () => {
      for (let call = 1; call <= 4; call++) {
        const inner = memory();
        const store = withFaults(inner, failing(call, when));
        const bytes = Buffer.from("abc");
        await assert.rejects(put(store, "u1", bytes), /fault/);
        await inner.discardUpload(id("u1"), digestOf(bytes));
        for await (const left of inner.list()) assert.fail(`call ${call} left ${left.name}`);
        await put(inner, "u2", bytes);
      }
    });
  }
});

describe("retry", () => {
  test("tries a passing fault again, so many times", async () => {
    const retried: string[] = [];
    const inner = memory();
    await write(inner, "u1", 0, Buffer.from("abc"));
    const store = withRetry(withFaults(inner, failing(1, "before")), {
      ...patient,
      onRetry: (operation) => retried.push(operation),
    });
    const location = await store.commitUpload(id("u1"), digestOf("abc"), 3);
    assert.deepEqual(retried, ["commitUpload"]);
    await store.deleteBlob(location);
    let calls = 0;
    const broken = withRetry(
      withFaults(memory(), {
        decide: () => {
          calls += 1;
          throw new Error("for ever");
        },
      }),
      patient,
    );
    await assert.rejects(broken.discardUpload(id("u1")), /for ever/);
    assert.equal(calls, 3);
  });

  test("takes a final answer as one, and never repeats an append", async () => {
    let calls = 0;
    const count = {
      decide: (_call: number, _operation: string, when: string) => void (when === "before" && calls++),
    };
    const store = withRetry(withFaults(memory(), count), patient);
    await assert.rejects(store.commitUpload(id("u1"), digestOf("abc"), 3), AppError);
    assert.equal(calls, 1);
    const appends: string[] = [];
    const faulty = withFaults(memory(), {
      decide(_call, operation, when) {
        if (operation !== "append" || when !== "before") return;
        appends.push(operation);
        throw new Error("append failed");
      },
    });
    const writer = await withRetry(faulty, patient).openUpload(id("u1"), 0);
    await assert.rejects(writer.append([Buffer.from("x")]), /append failed/);
    assert.equal(appends.length, 1);
  });
});

test("metrics tell each call, its outcome and the bytes", async () => {
  const seen: string[] = [];
  let bytes = 0;
  const store = withMetrics(memory(), {
    observe: (operation, seconds, outcome) => {
      assert.ok(seconds >= 0);
      seen.push(`${operation} ${outcome}`);
    },
    wrote: (count) => {
      bytes += count;
    },
  });
  const location = await put(store, "u1", Buffer.from("abc"));
  await store.deleteBlob(location);
  await assert.rejects(store.openBlob(location));
  assert.deepEqual(seen, [
    "openUpload ok",
    "append ok",
    "sync ok",
    "commitUpload ok",
    "deleteBlob ok",
    "openBlob error",
  ]);
  assert.equal(bytes, 3);
});
