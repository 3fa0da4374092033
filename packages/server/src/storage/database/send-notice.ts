import { sql } from "kysely";
import type { Tx } from "./database.ts";
import { engineOf } from "./engine-of.ts";
import { type NoticeTopic, noticeChannel } from "./notice-topics.ts";

/**
 * Tells every process of the change once the transaction is committed, see `Database.noticeStamp`. Several in one transaction are one. On SQLite
 * there is nothing to do: each commit is noticed by itself. Not for what every push does: PostgreSQL lets transactions that notify
 * commit one after the other only.
 */
export async function sendNotice(tx: Tx, topic: NoticeTopic): Promise<void> {
  if (engineOf(tx) === "sqlite") return;
  await sql`select pg_notify(${noticeChannel}, ${topic})`.execute(tx);
}
