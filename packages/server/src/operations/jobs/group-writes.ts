import { setImmediate as nextTurn } from "node:timers/promises";
import type { Database, Tx } from "../../storage/database/database.ts";

/**
 * Runs pieces of work that come at about the same time in one transaction, in the order in which they came. All are committed or none: then each fails, and
 * may be given again. A commit may be lost by a power failure, as with `durable: false`.
 */
export type GroupedWrites = <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;

interface Piece {
  readonly run: (tx: Tx) => Promise<() => void>;
  readonly refuse: (error: unknown) => void;
}

const largestGroup = 100;

export function createGroupedWrites(database: Database): GroupedWrites {
  const waiting: Piece[] = [];
  let isWriting = false;

  async function writeAll(): Promise<void> {
    // Those that end in the same turn of the event loop come along.
    await nextTurn();
    while (waiting.length > 0) await write(waiting.splice(0, largestGroup));
  }

  async function write(group: readonly Piece[]): Promise<void> {
    try {
      const grants = await database.transaction(
        async (tx) => {
          const done = [];
          for (const { run } of group) done.push(await run(tx));
          return done;
        },
        { durable: false },
      );
      for (const grant of grants) grant();
    } catch (error) {
      for (const { refuse } of group) refuse(error);
    }
  }

  return (work) =>
    new Promise((resolve, reject) => {
      waiting.push({
        run: async (tx) => {
          const result = await work(tx);
          return () => resolve(result);
        },
        refuse: reject,
      });
      if (isWriting) return;
      isWriting = true;
      void writeAll().finally(() => {
        isWriting = false;
      });
    });
}
