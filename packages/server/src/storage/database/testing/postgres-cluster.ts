import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { appendFile, chmod, mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { Client } from "pg";

const isRoot = process.getuid?.() === 0;
/** The server refuses to be run by root. */
export const asOwner: readonly string[] = isRoot ? ["runuser", "-u", "postgres", "--"] : [];

const run = promisify(execFile);
const startTimeoutMs = 120_000;

/** A PostgreSQL server of our own that only this machine's temporary folder knows. */
export interface PostgresCluster {
  /** Of the maintenance database. The user may create databases. */
  readonly url: string;
  /** Ends the server as a crash does and starts it again; resolves when it answers. */
  restart(): Promise<void>;
  /** Stops the server and removes its files. Repeatable. */
  stop(): Promise<void>;
}

/**
 * Makes and starts a cluster (about 1.5 s) that listens on a socket in a private folder, and on the network only where it is told to. It does not survive
 * this process, even when it is killed. As root it runs as the user `postgres`, because the server refuses root. No fsync: what is
 * tested here is SQL, not the server's crash safety; whoever measures says otherwise by `settings`. From
 * `trustedNetwork` anybody may come without a password, when `settings` has it listen on the network (`listen_addresses`, port 5432). `installRoot` has a folder for each version, as on Debian
 * and Ubuntu. Throws when PostgreSQL is not installed.
 */
export async function startPostgresCluster(
  installRoot = "/usr/lib/postgresql",
  settings: Readonly<Record<string, string>> = {},
  trustedNetwork?: string,
): Promise<PostgresCluster> {
  const binaries = findBinaries(installRoot);
  const folder = await makeFolder();
  try {
    const data = join(folder, "data");
    const initdb = [
      "-D",
      data,
      "-U",
      "postgres",
      "-A",
      "trust",
      "-E",
      "UTF8",
      "--locale=C.UTF-8",
      "--no-sync",
    ];
    await runFirst([...asOwner, join(binaries, "initdb"), ...initdb]);
    if (trustedNetwork !== undefined)
      await appendFile(join(data, "pg_hba.conf"), `host all all ${trustedNetwork} trust\n`);
    const server = await startServer([...asOwner, ...serverCommand(binaries, folder, settings)], folder);
    const url = `postgres://postgres@/postgres?host=${encodeURIComponent(folder)}`;
    const command = [
      ...asOwner,
      join(binaries, "pg_ctl"),
      "restart",
      "-m",
      "immediate",
      "-w",
      "-D",
      data,
      "-l",
    ];
    const cluster: PostgresCluster = {
      url,
      restart: () => runFirst([...command, join(folder, "log-after-restart")]),
      stop: () => stopServer(server, folder),
    };
    await waitUntilReady(url, server, folder);
    return cluster;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** For the files of a server; its owner's. */
export async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-postgres-"));
  if (isRoot) await run("chown", ["postgres", folder]);
  await chmod(folder, 0o700);
  return folder;
}

/** The folder of the newest version's programs. The client's package alone has a folder, too, but no initdb. */
export function findBinaries(installRoot: string): string {
  const versions = existsSync(installRoot) ? readdirSync(installRoot) : [];
  const newestFirst = versions
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(installRoot, version, "bin"));
  const found = newestFirst.find((folder) => existsSync(join(folder, "initdb")));
  if (found === undefined) {
    throw new Error("PostgreSQL is not installed, and these tests need it: apt-get install postgresql");
  }
  return found;
}

/**
 * The server under a shell that waits for its input to end. The other end of that pipe is ours, so the server is stopped and its
 * files are removed when we stop it and as well when this process dies in whatever way.
 */
export function serverCommand(
  binaries: string,
  folder: string,
  more: Readonly<Record<string, string>>,
): readonly string[] {
  const settings = {
    listen_addresses: "",
    unix_socket_directories: folder,
    max_connections: "200",
    shared_buffers: "64MB",
    fsync: "off",
    full_page_writes: "off",
    autovacuum: "off",
    deadlock_timeout: "50ms", // tests make deadlocks on purpose
    ...more,
  };
  const script = `"$@" & server=$!
cat >/dev/null
kill -QUIT $(head -n 1 "$FOLDER/data/postmaster.pid")
wait $server
while [ -e "$FOLDER/data/postmaster.pid" ]; do sleep 0.02; done
rm -rf "$FOLDER"`;
  const postgres = [join(binaries, "postgres"), "-D", join(folder, "data")];
  const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  return ["env", `FOLDER=${folder}`, "sh", "-c", script, "sh", ...postgres, ...options];
}

export async function startServer(command: readonly string[], folder: string): Promise<ChildProcess> {
  const log = await open(join(folder, "log"), "w");
  const [program = "", ...args] = command;
  // Detached: an interrupt from the terminal is for the tests; the end of the pipe is what stops the server.
  const server = spawn(program, args, { stdio: ["pipe", log.fd, log.fd], detached: true, cwd: "/" });
  await log.close();
  // Neither the process nor its pipe keeps the tests from ending.
  server.unref();
  if (server.stdin !== null && "unref" in server.stdin && typeof server.stdin.unref === "function") {
    server.stdin.unref();
  }
  return server;
}

export async function waitUntilReady(url: string, server: ChildProcess, folder: string): Promise<void> {
  const attempts = startTimeoutMs / 50;
  for (let attempt = 0; attempt < attempts && server.exitCode === null; attempt += 1) {
    const client = new Client({ connectionString: url });
    try {
      await client.connect();
      await client.end();
      return;
    } catch {
      await delay(50);
    }
  }
  server.stdin?.end();
  throw new Error(
    `PostgreSQL did not start: ${await readFile(join(folder, "log"), "utf8").catch(() => "no log")}`,
  );
}

export async function stopServer(server: ChildProcess, folder: string): Promise<void> {
  if (server.exitCode === null && server.signalCode === null) {
    server.ref();
    server.stdin?.end();
    await once(server, "exit");
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}

export async function runFirst([program = "", ...args]: readonly string[]): Promise<void> {
  await run(program, args, { cwd: "/" });
}
