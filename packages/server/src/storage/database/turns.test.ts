import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "../../lib/app-error.ts";
import { createTurns } from "./turns.ts";

function isCode(code: AppError["code"]): (error: unknown) => boolean {
  return (error) => error instanceof AppError && error.code === code;
}

test("lets as many in as there are places, then the others in the order in which they came", async () => {
  const turns = createTurns(2, 1000);
  await turns.acquire();
  await turns.acquire();
  const order: number[] = [];
  const waiting = [1, 2, 3].map(async (n) => {
    await turns.acquire();
    order.push(n);
    turns.release();
  });
  await Promise.resolve();
  assert.deepEqual(order, []);
  turns.release();
  await Promise.all(waiting);
  assert.deepEqual(order, [1, 2, 3]);
});

test("refuses who waited too long and gives the turn to the next one", async () => {
  const turns = createTurns(1, 20);
  await turns.acquire();
  await assert.rejects(turns.acquire(), isCode("UNAVAILABLE"));
  const next = turns.acquire();
  turns.release();
  await next; // a turn that had gone to the one who gave up would be lost
  turns.release();
  await turns.acquire();
});

test("closing refuses who waits and who comes, and waits for who is in", async () => {
  const turns = createTurns(2, 1000);
  await turns.acquire();
  await turns.acquire();
  const waiting = assert.rejects(turns.acquire(), isCode("UNAVAILABLE"));
  let isClosed = false;
  const closing = turns.close().then(() => {
    isClosed = true;
  });
  await waiting;
  await assert.rejects(turns.acquire(), isCode("UNAVAILABLE"));
  turns.release();
  await new Promise(setImmediate);
  assert.equal(isClosed, false);
  turns.release();
  await closing;
  await turns.close();
});
