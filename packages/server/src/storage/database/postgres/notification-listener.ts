import { Client } from "pg";
import type { Log } from "../../../lib/log.ts";

/** What other instances say, over one connection beside the pool that is opened when first somebody listens. */
export interface NotificationListener {
  /** See `Database.listen`. */
  readonly listen: (channel: string, onNotified: () => void) => () => void;
  close(): Promise<void>;
}

const firstPauseMs = 200;
const longestPauseMs = 10_000;
/** So long without a word, the server is asked whether it is still there: a cut cable tells nobody. */
const checkMs = 15_000;

export function createNotificationListener(url: string, log: Log): NotificationListener {
  const listeners = new Map<string, Set<() => void>>();
  let client: Client | undefined;
  let isClosed = false;
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;
  let connecting: Promise<void> | undefined;

  async function connect(): Promise<void> {
    const fresh = new Client({
      connectionString: url,
      application_name: "entrepot-listen",
      keepAlive: true,
      connectionTimeoutMillis: 10_000,
      query_timeout: 5_000,
    });
    fresh.on("error", () => lost(fresh));
    fresh.on("end", () => lost(fresh));
    fresh.on("notification", ({ channel }) => tell(channel));
    try {
      await fresh.connect();
      client = fresh;
      for (const channel of listeners.keys()) await fresh.query(`listen ${channel}`);
      failures = 0;
      // What was said meanwhile was not heard.
      for (const channel of listeners.keys()) tell(channel);
      watch(fresh);
    } catch (error) {
      if (failures === 0)
        log.warn({ error }, "notifications of the database cannot be heard; it is tried again");
      lost(fresh);
    }
  }

  function watch(current: Client): void {
    clearTimeout(timer);
    timer = setTimeout(() => {
      current.query("select 1").then(
        () => watch(current),
        () => lost(current),
      );
    }, checkMs);
    timer.unref();
  }

  function lost(which: Client): void {
    which.removeAllListeners();
    which.on("error", () => {});
    which.end().catch(() => undefined);
    if (client !== which && client !== undefined) return;
    client = undefined;
    clearTimeout(timer);
    if (isClosed || listeners.size === 0) return;
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(failures, 10));
    failures += 1;
    timer = setTimeout(open, pauseMs);
    timer.unref();
  }

  function open(): void {
    if (isClosed || client !== undefined || connecting !== undefined) return;
    connecting = connect().finally(() => {
      connecting = undefined;
    });
  }

  function tell(channel: string): void {
    for (const onNotified of listeners.get(channel) ?? []) onNotified();
  }

  return {
    listen(channel, onNotified) {
      const known = listeners.get(channel);
      const each = known ?? new Set();
      each.add(onNotified);
      if (known === undefined) {
        listeners.set(channel, each);
        client?.query(`listen ${channel}`).catch(() => undefined); // a lost connection listens to all when it is back
      }
      open();
      return () => each.delete(onNotified);
    },
    async close() {
      isClosed = true;
      clearTimeout(timer);
      await connecting;
      await client?.end().catch(() => undefined);
    },
  };
}
