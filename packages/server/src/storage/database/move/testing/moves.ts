import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { TestContext } from "node:test";
import { parseIntoClientConfig } from "pg-connection-string";
import { silentLog } from "../../../../lib/log.ts";
import { openDatabase } from "../../open-database.ts";
import type { MoveOptions } from "../move-to-postgres.ts";
import { openTarget, type Target } from "../target.ts";

/** A registry's SQLite database, open as in a process of it; `db` is another process, whose writes are made at exact moments. */
export async function openSource(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-move-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "entrepot.db");
  const url = `sqlite:${file}`;
  const open = () => openDatabase({ url, poolSize: 1, acquireTimeoutMs: 5_000, log: silentLog });
  const database = await open();
  t.after(() => database.close());
  const db = new DatabaseSync(file, { timeout: 5_000 });
  db.exec("pragma foreign_keys = on");
  t.after(() => db.close());
  return { file, url, open, database, db };
}

export function openTestTarget(t: TestContext, url: string): Target {
  const target = openTarget({ url, acquireTimeoutMs: 5_000, log: silentLog });
  t.after(() => target.close());
  return target;
}

export function optionsOf(file: string, target: Target, more: Partial<MoveOptions> = {}): MoveOptions {
  const signal = new AbortController().signal;
  return { file, target, address: "postgres://db/entrepot", signal, onProgress: () => undefined, ...more };
}

/** A way to PostgreSQL that can forget the connections it knows: what comes is dropped, and nobody is told. */
export async function openRouter(t: TestContext, url: string) {
  const { host = "", port = 5432, database, user } = parseIntoClientConfig(url);
  const all = new Set<Socket>();
  const known = new Set<Socket>();
  let isNowhere = false;
  const server = createServer((near) => {
    if (isNowhere) {
      all.add(near.on("error", () => undefined));
      return;
    }
    const far = host?.startsWith("/")
      ? connect(`${host}/.s.PGSQL.${port}`)
      : connect(Number(port), host ?? "");
    known.add(near);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      all.add(from);
      from.on("data", (chunk) => known.has(near) && to.write(chunk));
      from.on("error", () => undefined).on("close", () => to.destroy());
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of all) socket.destroy();
    server.close();
  });
  // as: a server that listens on a port has an address of this form
  const address = server.address() as AddressInfo;
  return {
    url: `postgres://${user ?? "postgres"}@127.0.0.1:${address.port}/${database}`,
    forget: () => known.clear(),
    /** Ends the connections; new ones are taken and not answered. */
    leadNowhere() {
      isNowhere = true;
      for (const socket of all) socket.destroy();
    },
  };
}
