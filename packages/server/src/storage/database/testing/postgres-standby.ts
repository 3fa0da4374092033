import { appendFile, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  asOwner,
  findBinaries,
  makeFolder,
  runFirst,
  serverCommand,
  startServer,
  stopServer,
  waitUntilReady,
} from "./postgres-cluster.ts";

/** A streaming standby of a cluster, on a socket of its own. */
export interface PostgresStandby {
  readonly url: string;
  /** Ends the server as a crash does; its files stay. */
  kill(): Promise<void>;
  /** Starts it again after `kill`; resolves when it answers. */
  revive(): Promise<void>;
  /** Makes a primary of it. */
  promote(): Promise<void>;
  /** Stops the server and removes its files. Repeatable. */
  stop(): Promise<void>;
}

const installRoot = "/usr/lib/postgresql";

/** Copies the cluster (about 2 s) and follows it. Like the cluster, it does not survive this process. */
export async function startPostgresStandby(primaryUrl: string): Promise<PostgresStandby> {
  const binaries = findBinaries(installRoot);
  const folder = await makeFolder();
  const data = join(folder, "data");
  const control = (...args: readonly string[]): Promise<void> =>
    runFirst([...asOwner, join(binaries, "pg_ctl"), "-D", data, "-w", ...args]);
  try {
    const copy = ["-d", primaryUrl, "-D", data, "-R", "-X", "stream", "-c", "fast", "--no-sync"];
    await runFirst([...asOwner, join(binaries, "pg_basebackup"), ...copy]);
    // In the file, so that a server that is started again has them, too.
    const settings = ["listen_addresses = ''", `unix_socket_directories = '${folder}'`, "fsync = off"];
    // No less than the primary's, or it does not follow.
    await appendFile(
      join(data, "postgresql.auto.conf"),
      [...settings, "max_connections = 200", ""].join("\n"),
    );
    const server = await startServer([...asOwner, ...serverCommand(binaries, folder, {})], folder);
    const url = `postgres://postgres@/postgres?host=${encodeURIComponent(folder)}`;
    await waitUntilReady(url, server, folder);
    return {
      url,
      kill: () => control("stop", "-m", "immediate"),
      revive: () => control("start", "-l", join(folder, "log-after-kill")),
      promote: () => control("promote"),
      stop: () => stopServer(server, folder),
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}
