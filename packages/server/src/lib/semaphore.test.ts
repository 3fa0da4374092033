import assert from "node:assert/strict";
import { test } from "node:test";
import { createSemaphore } from "./semaphore.ts";

test("lets so many run, the next in their order, and refuses what is too much", async () => {
  const semaphore = createSemaphore(2, 1);
  const order: string[] = [];
  const gates = new Map<string, () => void>();
  const job = (name: string) =>
    semaphore.run(() => {
      order.push(name);
      return new Promise<string>((resolve) => gates.set(name, () => resolve(name)));
    });
  const running = [job("a"), job("b"), job("c")];
  await assert.rejects(job("d"), { code: "OVERLOADED" });
  assert.deepEqual(order, ["a", "b"]);
  gates.get("a")?.();
  assert.equal(await running[0], "a");
  assert.deepEqual(order, ["a", "b", "c"]);
  gates.get("b")?.();
  gates.get("c")?.();
  assert.deepEqual(await Promise.all(running), ["a", "b", "c"]);
});

test("gives the turn on when a job fails", async () => {
  const semaphore = createSemaphore(1, 5);
  await assert.rejects(
    semaphore.run(() => Promise.reject(new Error("no"))),
    /no/,
  );
  assert.equal(await semaphore.run(async () => "next"), "next");
});
