import type { ClientBase, Pool } from "pg";

/** Notices connections that will never answer. */
export interface SilenceWatch {
  /** A statement has been sent. What is returned says that its answer has come, or its failure. */
  readonly sent: (client: Connection) => () => void;
  /** Repeatable. */
  close(): void;
}

/** A client of pg that is in use. */
export type Connection = ClientBase & { end?: () => Promise<void> };

export interface SilenceWatchOptions {
  /** Of its own, so that asking never waits behind what is asked about. Its connections must have short limits. */
  readonly probes: Pool;
  /** For tests. */
  readonly lookEveryMs?: number;
}

interface Sent {
  readonly client: Connection;
  readonly sentAtMs: number;
  /** The server has said once that it works on nothing for this connection. */
  isSuspect: boolean;
}

const defaultLookEveryMs = 1_000;

/**
 * A network that drops packets without a word (a cut cable, a router that forgot the connection) leaves statements that nobody executes, or whose answers
 * are gone. TCP would find out in minutes, the limit of a statement in half a minute; meanwhile a turn is taken. So whatever has waited for two looks is asked about
 * over another connection: when the server says twice that its process for this connection is not at work, or is not there, the connection
 * is ended, and its statement fails as with every lost connection. A statement that merely takes long is left alone; so is everything while the server cannot be asked.
 *
 * Behind a pooler the numbers of processes are not those of the server; then nothing is ever judged.
 */
export function watchSilence({
  probes,
  lookEveryMs = defaultLookEveryMs,
}: SilenceWatchOptions): SilenceWatch {
  const waiting = new Set<Sent>();
  let isAsking = false;

  async function look(): Promise<void> {
    const patienceEndsMs = performance.now() - 2 * lookEveryMs;
    const silent = [...waiting].filter(({ sentAtMs }) => sentAtMs < patienceEndsMs);
    if (silent.length === 0 || isAsking) return;
    isAsking = true;
    try {
      const idle = await askForIdle(probes, silent);
      for (const each of silent) {
        if (!idle.has(processOf(each.client)) || !waiting.has(each)) each.isSuspect = false;
        // With a statement under way this breaks the connection, without a farewell that nobody would hear.
        else if (each.isSuspect) void each.client.end?.().catch(() => undefined);
        else each.isSuspect = true;
      }
    } catch {
      // Not to be asked now: nobody knows anything.
    } finally {
      isAsking = false;
    }
  }
  const timer = setInterval(() => void look(), lookEveryMs);
  timer.unref();

  return {
    sent(client) {
      const each: Sent = { client, sentAtMs: performance.now(), isSuspect: false };
      waiting.add(each);
      return () => void waiting.delete(each);
    },
    close: () => clearInterval(timer),
  };
}

/** Of these connections, the numbers of those for which the server does nothing. */
async function askForIdle(probes: Pool, silent: readonly Sent[]): Promise<ReadonlySet<number | undefined>> {
  const numbers = silent.map(({ client }) => processOf(client));
  const probe = await probes.connect();
  let failure: Error | undefined;
  try {
    const { rows } = await probe.query<{ pid: number; self: number; isIdle: number }>(
      `select each.pid, pg_backend_pid() as self,
         case when activity.pid is null or activity.state like 'idle%' then 1 else 0 end as "isIdle"
       from unnest($1::int[]) as each (pid) left join pg_stat_activity as activity on activity.pid = each.pid`,
      [numbers],
    );
    const isDirect = rows.every(({ self }) => self === processOf(probe));
    return new Set(isDirect ? rows.filter(({ isIdle }) => isIdle === 1).map(({ pid }) => pid) : []);
  } catch (error) {
    failure = error instanceof Error ? error : new Error("the probe failed");
    throw failure;
  } finally {
    probe.release(failure);
  }
}

/** The number of the server's process, which pg keeps and its types do not tell. */
function processOf(client: Connection): number | undefined {
  return "processID" in client && typeof client.processID === "number" ? client.processID : undefined;
}
