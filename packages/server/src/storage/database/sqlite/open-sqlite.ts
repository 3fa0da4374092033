import { mkdir, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Kysely, sql } from "kysely";
import { AppError } from "../../../lib/app-error.ts";
import type { Database, Tx } from "../database.ts";
import { translateDatabaseError } from "../database-error.ts";
import { prepareSchema } from "../migrate.ts";
import { hasMoved } from "../move/move-state.ts";
import type { OpenDatabaseOptions } from "../open-database-options.ts";
import { statementLog } from "../statement-log.ts";
import type { Tables } from "../tables.ts";
import { createTurns } from "../turns.ts";
import { createCheckpointer } from "./checkpointer.ts";
import { createCommitFlusher } from "./commit-flusher.ts";
import { SqliteConnection } from "./sqlite-connection.ts";
import { createSqliteDialect } from "./sqlite-dialect.ts";

/** How long opening and migrating wait for another process, inside SQLite. Later only `begin` waits, outside of it. */
const openTimeoutMs = 5000;
const busyTimeoutMs = 5;

/** `path` is a file, made with its folder when it is missing, or `:memory:`. See `openDatabase`. */
export async function openSqlite(path: string, options: OpenDatabaseOptions): Promise<Database> {
  if (path === ":memory:") return openTemporary(options);
  const file = resolve(path);
  try {
    await mkdir(dirname(file), { recursive: true });
  } catch (error) {
    throw new AppError("UNAVAILABLE", `the folder ${dirname(file)} cannot be made`, { cause: error });
  }
  return openFile(file, options, { isDurable: true, afterClose: async () => {} });
}

/**
 * A file of its own in a temporary folder, without flushes. SQLite's own `:memory:` belongs to one connection, and in its shared
 * cache a read fails while a transaction is open; tests would then see another database than users do.
 */
async function openTemporary(options: OpenDatabaseOptions): Promise<Database> {
  const folder = await mkdtemp(join(tmpdir(), `entrepot-sqlite-${process.pid}-`));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    return await openFile(join(folder, "memory.db"), options, { isDurable: false, afterClose: remove });
  } catch (error) {
    await remove();
    throw error;
  }
}

interface FileOptions {
  readonly isDurable: boolean;
  readonly afterClose: () => Promise<void>;
}

async function openFile(file: string, options: OpenDatabaseOptions, how: FileOptions): Promise<Database> {
  const opened: DatabaseSync[] = [];
  try {
    const writeDb = openConnection(file);
    opened.push(writeDb);
    useWal(writeDb, how.isDurable);
    await migrateFile(writeDb, options);
    writeDb.exec(`pragma busy_timeout = ${busyTimeoutMs}`);
    const readDb = openConnection(file);
    opened.push(readDb);
    readDb.exec("pragma query_only = on");
    return await createDatabase(file, { writeDb, readDb }, options, how);
  } catch (error) {
    for (const db of opened) db.close();
    throw translateDatabaseError(error);
  }
}

function openConnection(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: openTimeoutMs });
  // 64 MiB of pages each: the upper levels of every index of a million manifests.
  db.exec("pragma foreign_keys = on; pragma cache_size = -65536; pragma temp_store = memory");
  return db;
}

/**
 * Write-ahead log: reads never wait for the writer. `synchronous = normal` keeps the file sound through a power failure and its
 * commits in order; what makes a commit durable is the flush after it, see commit-flusher.ts.
 */
function useWal(db: DatabaseSync, isDurable: boolean): void {
  const mode = db.prepare("pragma journal_mode = wal").get()?.["journal_mode"];
  if (mode !== "wal") {
    throw new AppError("UNAVAILABLE", "the database's file system does not support SQLite's write-ahead log");
  }
  db.exec(`pragma synchronous = ${isDurable ? "normal" : "off"}`);
  // Checkpoints are made by a thread of their own (checkpointer.ts): by the connection that commits only when that one does not keep up, from 80 MiB on, or where there
  // is none, from 8 MiB on. A log that a long read has made large is cut down to 64 MiB afterwards.
  db.exec(`pragma wal_autocheckpoint = ${isDurable ? 20_000 : 2_000}; pragma journal_size_limit = 67108864`);
}

async function migrateFile(writeDb: DatabaseSync, options: OpenDatabaseOptions): Promise<void> {
  const connection = new SqliteConnection(writeDb);
  const turns = createTurns(1, openTimeoutMs);
  const db = new Kysely<Tables>({ dialect: createSqliteDialect({ connection, turns, onQuery: undefined }) });
  await prepareSchema(db, options.log, options.migrate ?? "auto");
  await db.destroy();
}

async function createDatabase(
  file: string,
  { writeDb, readDb }: { readonly writeDb: DatabaseSync; readonly readDb: DatabaseSync },
  options: OpenDatabaseOptions,
  how: FileOptions,
): Promise<Database> {
  const onQuery = options.onQuery;
  const turns = createTurns(1, options.acquireTimeoutMs);
  const writer = new Kysely<Tables>({
    dialect: createSqliteDialect({ connection: new SqliteConnection(writeDb), turns, onQuery }),
    ...statementLog(options),
  });
  const reader = new Kysely<Tables>({
    dialect: createSqliteDialect({ connection: new SqliteConnection(readDb), turns: undefined, onQuery }),
    ...statementLog(options),
  });
  // The log exists and stays the same file as long as a connection is open. SQLite holds no POSIX lock on it (those are on the
  // database and the -shm file), so that closing this handle releases none.
  const log = how.isDurable ? await open(`${file}-wal`, "r+") : undefined;
  const flusher = createCommitFlusher(async () => log?.datasync(), options.log);
  await flusher.flush(); // what the migrations wrote
  const checkpointer = log && createCheckpointer(file, log, options.log);
  // On the write connection, for which its own commits do not count as changes (https://www.sqlite.org/pragma.html#pragma_data_version).
  const dataVersion = writeDb.prepare("pragma data_version");

  function foreignChangeStamp(): number | undefined {
    try {
      const version = dataVersion.get()?.["data_version"];
      // A failed flush leaves a commit that its caller was told has failed: whatever was cached must go.
      return typeof version === "number" ? version * 2 + flusher.failures() : undefined;
    } catch {
      return undefined; // for example while another process recovers the log: then nothing may be cached
    }
  }

  const unfinished = new Set<Promise<unknown>>();

  async function runTransaction<T>(work: (tx: Tx) => Promise<T>, isDurable: boolean): Promise<T> {
    flusher.assertHealthy();
    const result = await writer.transaction().execute(work);
    checkpointer?.committed();
    if (isDurable) await flusher.flush();
    return result;
  }

  async function close(): Promise<void> {
    await turns.close();
    await Promise.allSettled(unfinished); // those that still wait for their flush
    await flusher.flush().catch(() => {}); // logged; nobody waits for a commit any more
    await checkpointer?.close();
    await log?.close();
    await Promise.all([writer.destroy(), reader.destroy()]);
    readDb.close();
    writeDb.close();
    await how.afterClose();
  }
  let closing: Promise<void> | undefined;

  return {
    engine: "sqlite",
    read: reader,
    readAside: (work) => work(reader),
    replica: undefined,
    async transaction(work, transactionOptions) {
      const running = runTransaction(work, transactionOptions?.durable !== false);
      unfinished.add(running);
      try {
        return await running;
      } finally {
        unfinished.delete(running);
      }
    },
    foreignChangeStamp,
    noticeStamp: foreignChangeStamp,
    onNotice: () => () => {},
    heardByAll: async () => {},
    load: turns.load,
    hasMoved: () => hasMoved(readDb),
    async probe() {
      flusher.assertHealthy();
      await sql`select value from counters limit 1`.execute(reader); // synchronous, so there is nothing to time
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
}
