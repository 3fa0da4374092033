import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../../lib/clock.ts";
import type { Database } from "../../storage/database/database.ts";
import { type JobNote, writeNotes } from "./running-job-store.ts";

/**
 * Writes down what an attempt says; false = its job is not ours any more, and nothing was changed. A commit may be lost by a power failure, as with
 * `durable: false`. When it throws it may be given again.
 */
export type WriteNote = (note: JobNote) => Promise<boolean>;

interface Waiting {
  readonly note: JobNote;
  readonly told: PromiseWithResolvers<boolean>;
}

const largestGroup = 100;

/** What comes at about the same time is written by one statement in one transaction: all of it or nothing. */
export function createTogetherWriter(database: Database, clock: Clock): WriteNote {
  let waiting: Waiting[] = [];
  let isWriting = false;

  async function writeAll(): Promise<void> {
    // Those that end in the same turn of the event loop come along.
    await nextTurn();
    for (;;) {
      if (waiting.length === 0) {
        isWriting = false; // in this very turn, or what comes in the next would wait for nobody
        return;
      }
      const group = takeGroup();
      try {
        const notes = group.map(({ note }) => note);
        const ours = await database.transaction((tx) => writeNotes(tx, notes, clock.nowMs(), true), {
          durable: false,
        });
        for (const { note, told } of group) told.resolve(ours.has(note.job.id));
      } catch (error) {
        for (const { told } of group) told.reject(error);
      }
    }
  }

  /** The first, at most one of each job. */
  function takeGroup(): readonly Waiting[] {
    const group = new Map<number, Waiting>();
    const later: Waiting[] = [];
    for (const each of waiting) {
      if (group.size === largestGroup || group.has(each.note.job.id)) later.push(each);
      else group.set(each.note.job.id, each);
    }
    waiting = later;
    return [...group.values()];
  }

  return (note) => {
    const told = Promise.withResolvers<boolean>();
    waiting.push({ note, told });
    if (!isWriting) {
      isWriting = true;
      void writeAll();
    }
    return told.promise;
  };
}
