import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { noticeChannel } from "../notice-topics.ts";
import type { InTurn } from "./query-in-turn.ts";

/** Asks every process that listens whether it has heard what was told before, and answers others that ask. */
export interface ListenerQuestions {
  /** See `Database.heardByAll`. */
  readonly heardByAll: () => Promise<void>;
  /** The connection is listening and counts as one that must answer. To be awaited before anything that it hears is relied on. */
  readonly begin: (client: InTurn) => Promise<void>;
  /** That connection is gone. */
  readonly end: (client: InTurn) => void;
  /** Takes a payload of the channel; false when it is no question and no answer. */
  readonly take: (client: InTurn, payload: string) => boolean;
}

interface Question {
  readonly heard: Set<number>;
  expected: readonly number[] | undefined;
  /** False: the connection that asked was lost before everybody had answered. */
  readonly answered: PromiseWithResolvers<boolean>;
}

/** "entr" in ASCII: with 1 the advisory lock that each listening connection shares, so that `pg_locks` tells everybody who listens. */
const lockSpace = 0x656e7472;
const listening = 1;

const shareLock = `select pg_advisory_lock_shared(${lockSpace}, ${listening})`;
const ask = `select pg_notify('${noticeChannel}', $1), array(
  select pid from pg_locks where locktype = 'advisory' and classid = ${lockSpace} and objid = ${listening} and objsubid = 2
    and database = (select oid from pg_database where datname = current_database())
) as pids`;

/**
 * `trustMs`: after this time without a heartbeat a process relies on nothing that it keeps, so nobody needs to be waited for any longer. A heartbeat
 * that was answered later was answered after the notices before it.
 */
export function createListenerQuestions(trustMs: number): ListenerQuestions {
  const questions = new Map<string, Question>();
  let client: InTurn | undefined;
  let connected = Promise.withResolvers<void>();
  let running: Promise<void> | undefined;
  let following: Promise<void> | undefined;

  async function askOnce(asked: InTurn, deadline: Promise<void>): Promise<boolean> {
    const id = randomUUID();
    const question: Question = {
      heard: new Set(),
      expected: undefined,
      answered: Promise.withResolvers(),
    };
    questions.set(id, question);
    try {
      const { rows } = await asked.query<{ pids: number[] }>(ask, [`ask ${id}`]);
      question.expected = rows[0]?.pids ?? [];
      settle(question);
      return (await Promise.race([question.answered.promise, deadline])) !== false;
    } catch {
      return false;
    } finally {
      questions.delete(id);
    }
  }

  async function askAll(): Promise<void> {
    const timer = new AbortController();
    let isOver = false;
    const deadline = delay(trustMs, undefined, { signal: timer.signal }).then(
      () => void (isOver = true),
      () => undefined,
    );
    try {
      while (!isOver) {
        await Promise.race([connected.promise, deadline]);
        // A connection that broke over the question is replaced soon; the next one asks again.
        if (client !== undefined && (await askOnce(client, deadline))) return;
        if (!isOver) await Promise.race([delay(20), deadline]);
      }
    } finally {
      timer.abort();
    }
  }

  function start(): Promise<void> {
    running = askAll().finally(() => {
      running = undefined;
    });
    return running;
  }

  return {
    heardByAll() {
      if (running === undefined) return start();
      // The question that is under way was asked before the caller's change; all who come meanwhile share the next.
      following ??= running.then(() => {
        following = undefined;
        return start();
      });
      return following;
    },
    async begin(listener) {
      await listener.query(shareLock);
      client = listener;
      connected.resolve();
    },
    end(listener) {
      if (client !== listener) return;
      client = undefined;
      connected = Promise.withResolvers();
      for (const question of questions.values()) question.answered.resolve(false);
    },
    take(listener, payload) {
      const [word, id = "", pid] = payload.split(" ");
      if (word === "ask") {
        const answer = `heard ${id}`;
        // A connection that cannot answer is lost, and with it what was kept.
        listener
          .query(`select pg_notify($1, $2 || ' ' || pg_backend_pid())`, [noticeChannel, answer])
          .catch(() => undefined);
        return true;
      }
      if (word !== "heard") return false;
      const question = questions.get(id);
      if (question !== undefined) {
        question.heard.add(Number(pid));
        settle(question);
      }
      return true;
    },
  };
}

function settle({ expected, heard, answered }: Question): void {
  if (expected?.every((pid) => heard.has(pid)) === true) answered.resolve(true);
}
