import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "pg";
import type { Log } from "../../../lib/log.ts";
import { type NoticeTopic, noticeChannel, noticeTopics } from "../notice-topics.ts";
import { createListenerQuestions } from "./ask-listeners.ts";
import { queryInTurn } from "./query-in-turn.ts";

export interface NoticeListener {
  /** A number that changes with each notice; undefined while none can be relied on. */
  stamp(topic: NoticeTopic): number | undefined;
  /** See `Database.onNotice`. */
  readonly on: (topic: NoticeTopic, listener: () => void) => () => void;
  /** See `Database.heardByAll`. */
  readonly heardByAll: () => Promise<void>;
  /** Ends the connection. Repeatable. */
  close(): Promise<void>;
}

export interface ListenOptions {
  /** A connection of its own, not of the pool: it must be there when the pool is exhausted. */
  readonly createClient: () => Client;
  readonly log: Log;
  /** For tests. */
  readonly heartbeatMs?: number;
}

/** A heartbeat a second; one that is not answered within another ends the connection. Trust ends after three, whatever timers do. */
const defaultHeartbeatMs = 1_000;
const trustHeartbeats = 3;
const maxPauseMs = 5_000;
const farewellMs = 500;

/**
 * Listens until it is closed, and connects again whenever the connection breaks: a restart of the server, a cut network. What was told in between is
 * lost, so everything counts as changed when it listens again. Never throws and never waits: until the first connection is
 * there, nothing can be relied on.
 */
export function listenForNotices(options: ListenOptions): NoticeListener {
  const heartbeatMs = options.heartbeatMs ?? defaultHeartbeatMs;
  const stopping = new AbortController();
  const questions = createListenerQuestions(trustHeartbeats * heartbeatMs);
  const stamps = new Map<NoticeTopic, number>(noticeTopics.map((topic) => [topic, 0]));
  let trustedUntilMs = Number.NEGATIVE_INFINITY; // performance.now()
  let failures = 0;

  const listeners = new Map(noticeTopics.map((topic) => [topic, new Set<() => void>()]));
  const changed = (topic: NoticeTopic) => {
    stamps.set(topic, (stamps.get(topic) ?? 0) + 1);
    for (const listener of listeners.get(topic) ?? []) listener();
  };
  const renewTrust = (askedAtMs: number) => {
    trustedUntilMs = askedAtMs + trustHeartbeats * heartbeatMs;
  };

  /** One connection, until it breaks (throws) or the listener is closed. */
  async function listen(): Promise<void> {
    const client = options.createClient();
    // Heartbeats, questions and answers have this connection in common.
    const asked = queryInTurn(client);
    const broken = new AbortController();
    client.on("error", () => broken.abort());
    client.on("end", () => broken.abort());
    client.on("notification", ({ channel, payload = "" }) => {
      if (channel !== noticeChannel || questions.take(asked, payload)) return;
      const topic = noticeTopics.find((each) => each === payload);
      if (topic !== undefined) changed(topic);
    });
    const ended = AbortSignal.any([broken.signal, stopping.signal]);
    try {
      await client.connect();
      await asked.query(`listen ${noticeChannel}`);
      await questions.begin(asked);
      for (const topic of noticeTopics) changed(topic);
      if (failures > 0) options.log.info({}, "listening to the database again");
      failures = 0;
      while (!ended.aborted) {
        const askedAtMs = performance.now();
        // Notices that were committed before are on their way before this answer is; it has the client's query_timeout.
        await asked.query("select 1");
        renewTrust(askedAtMs);
        await delay(heartbeatMs, undefined, { signal: ended }).catch(() => undefined);
      }
      if (!stopping.signal.aborted) throw new Error("the connection was closed");
    } finally {
      trustedUntilMs = Number.NEGATIVE_INFINITY;
      questions.end(asked);
      // A server that says nothing does not say goodbye, either; the socket goes with the process.
      await Promise.race([client.end().catch(() => undefined), delay(farewellMs, undefined, { ref: false })]);
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await listen();
      } catch (error) {
        if (failures === 0) options.log.warn({ error }, "not listening to the database; nothing is cached");
        const pauseMs = Math.min(maxPauseMs, 100 * 2 ** failures);
        failures += 1;
        await delay(pauseMs, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);
      }
    }
  }
  const running = run();

  return {
    stamp: (topic) => (performance.now() < trustedUntilMs ? stamps.get(topic) : undefined),
    on(topic, listener) {
      listeners.get(topic)?.add(listener);
      return () => void listeners.get(topic)?.delete(listener);
    },
    heardByAll: questions.heardByAll,
    async close() {
      stopping.abort();
      await running;
    },
  };
}
