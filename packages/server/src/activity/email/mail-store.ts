import { sql } from "kysely";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { engineOf } from "../../storage/database/engine-of.ts";
import { forUpdate, skipLocked } from "../../storage/database/row-locks.ts";

export const mailStates = ["queued", "sent", "dead"] as const;
/** 'queued' waits for its turn or its next try; 'sent' was taken by the mail server; 'dead' is tried no more until somebody says so. */
export type MailState = (typeof mailStates)[number];

export interface Mail {
  readonly id: number;
  readonly recipient: string;
  readonly kind: string;
  readonly state: MailState;
  readonly attempts: number;
  readonly createdAtMs: number;
  readonly nextAttemptAtMs: number;
  /** Not worth sending from then on. */
  readonly uselessAfterMs: number | undefined;
  readonly sentAtMs: number | undefined;
  readonly lastError: string | undefined;
}

export interface ClaimedMail extends Mail {
  readonly sealedData: string;
}

const columns = [
  "id",
  "recipient",
  "kind",
  "state",
  "attempts",
  "created_at_ms",
  "next_attempt_at_ms",
  "useless_after_ms",
  "sent_at_ms",
  "last_error",
] as const;

export async function insertMail(
  tx: Tx,
  mail: {
    readonly recipient: string;
    readonly kind: string;
    readonly sealedData: string;
    readonly nowMs: number;
    readonly uselessAfterMs: number | undefined;
  },
): Promise<void> {
  await tx
    .insertInto("mails")
    .values({
      recipient: mail.recipient,
      kind: mail.kind,
      sealed_data: mail.sealedData,
      state: "queued",
      attempts: 0,
      created_at_ms: mail.nowMs,
      next_attempt_at_ms: mail.nowMs,
      useless_after_ms: mail.uselessAfterMs ?? null,
      sent_at_ms: null,
      last_error: null,
    })
    .execute();
}

/** Any number that nobody else uses for advisory locks of two numbers in this database. */
const recipientLock = 812_006_113;

/** One transaction at a time counts what a recipient gets, and adds to it. On SQLite a write transaction is alone anyway. */
export async function lockRecipient(tx: Tx, recipient: string): Promise<void> {
  if (engineOf(tx) === "sqlite") return;
  await sql`select pg_advisory_xact_lock(${recipientLock}, hashtext(${recipient}))`.execute(tx);
}

/** How many mails of a kind the recipient was to get since then. */
export async function countMailsTo(
  db: Queryable,
  query: { readonly recipient: string; readonly kinds: readonly string[]; readonly sinceMs: number },
): Promise<number> {
  const row = await db
    .selectFrom("mails")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .where("recipient", "=", query.recipient)
    .where("created_at_ms", ">=", query.sinceMs)
    .where("kind", "in", query.kinds)
    .executeTakeFirst();
  return row?.count ?? 0;
}

export async function hasDueMail(db: Queryable, nowMs: number): Promise<boolean> {
  const row = await db
    .selectFrom("mails")
    .select("id")
    .where("state", "=", "queued")
    .where("next_attempt_at_ms", "<=", nowMs)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Takes up to `limit` mails that are due, oldest first, and counts the try. They are nobody else's until `untilMs`; whoever dies with one leaves
 * it to be taken again then.
 */
export async function claimDueMails(
  tx: Tx,
  claim: { readonly nowMs: number; readonly untilMs: number; readonly limit: number },
): Promise<readonly ClaimedMail[]> {
  const due = tx
    .selectFrom("mails")
    .select([...columns, "sealed_data"])
    .where("state", "=", "queued")
    .where("next_attempt_at_ms", "<=", claim.nowMs)
    .orderBy("next_attempt_at_ms")
    .limit(claim.limit);
  const rows = await skipLocked(tx, forUpdate(tx, due)).execute();
  if (rows.length === 0) return [];
  await tx
    .updateTable("mails")
    .set((eb) => ({ next_attempt_at_ms: claim.untilMs, attempts: eb("attempts", "+", 1) }))
    .where(
      "id",
      "in",
      rows.map((row) => row.id),
    )
    .execute();
  return rows.map((row) => ({
    ...toMail(row),
    attempts: row.attempts + 1,
    sealedData: row.sealed_data ?? "",
  }));
}

/** What the mail said is forgotten: it may hold a link that still works. */
export async function markMailSent(tx: Tx, id: number, nowMs: number): Promise<void> {
  await tx
    .updateTable("mails")
    .set({ state: "sent", sent_at_ms: nowMs, sealed_data: null, last_error: null })
    .where("id", "=", id)
    .execute();
}

/** Another try at `untilMs`. With `isCounted` false this one was none: the mail itself was not at fault. */
export async function postponeMail(
  tx: Tx,
  id: number,
  next: { readonly untilMs: number; readonly error: string; readonly isCounted: boolean },
): Promise<void> {
  await tx
    .updateTable("mails")
    .set((eb) => ({
      next_attempt_at_ms: next.untilMs,
      last_error: next.error,
      attempts: next.isCounted ? eb.ref("attempts") : eb("attempts", "-", 1),
    }))
    .where("id", "=", id)
    .where("state", "=", "queued")
    .execute();
}

export async function markMailDead(tx: Tx, id: number, error: string): Promise<void> {
  await tx
    .updateTable("mails")
    .set({ state: "dead", last_error: error })
    .where("id", "=", id)
    .where("state", "=", "queued")
    .execute();
}

/** Lets a dead or waiting mail be tried at once; undefined when there is none of that id whose content is still kept. */
export async function requeueMail(tx: Tx, id: number, nowMs: number): Promise<Mail | undefined> {
  const row = await tx
    .updateTable("mails")
    .set({ state: "queued", attempts: 0, next_attempt_at_ms: nowMs })
    .where("id", "=", id)
    .where("state", "!=", "sent")
    .where("sealed_data", "is not", null)
    .returning(columns)
    .executeTakeFirst();
  return row === undefined ? undefined : toMail(row);
}

/** Newest first, those before `last`. */
export async function listMails(
  db: Queryable,
  page: { readonly state: MailState | undefined; readonly last: number | undefined; readonly limit: number },
): Promise<readonly Mail[]> {
  let query = db.selectFrom("mails").select(columns).orderBy("id", "desc").limit(page.limit);
  if (page.state !== undefined) query = query.where("state", "=", page.state);
  if (page.last !== undefined) query = query.where("id", "<", page.last);
  return (await query.execute()).map(toMail);
}

export async function countMailsByState(db: Queryable): Promise<Readonly<Record<MailState, number>>> {
  const rows = await db
    .selectFrom("mails")
    .select(({ fn }) => ["state", fn.countAll<number>().as("count")])
    .groupBy("state")
    .execute();
  const countOf = (state: MailState) => rows.find((row) => row.state === state)?.count ?? 0;
  return { queued: countOf("queued"), sent: countOf("sent"), dead: countOf("dead") };
}

/** Deletes up to `limit` mails of a state that were queued before then. May be repeated. One that somebody lets be tried again at this moment stays. */
export async function pruneMails(
  tx: Tx,
  what: { readonly state: MailState; readonly beforeMs: number; readonly limit: number },
): Promise<void> {
  await tx
    .deleteFrom("mails")
    .where("id", "in", (query) =>
      query
        .selectFrom("mails")
        .select("id")
        .where("state", "=", what.state)
        .where("created_at_ms", "<", what.beforeMs)
        .limit(what.limit),
    )
    // Again: after the wait for a row only what is outside of the list is looked at anew.
    .where("state", "=", what.state)
    .execute();
}

function toMail(row: {
  readonly id: number;
  readonly recipient: string;
  readonly kind: string;
  readonly state: string;
  readonly attempts: number;
  readonly created_at_ms: number;
  readonly next_attempt_at_ms: number;
  readonly useless_after_ms: number | null;
  readonly sent_at_ms: number | null;
  readonly last_error: string | null;
}): Mail {
  return {
    id: row.id,
    recipient: row.recipient,
    kind: row.kind,
    state: mailStates.find((state) => state === row.state) ?? "dead",
    attempts: row.attempts,
    createdAtMs: row.created_at_ms,
    nextAttemptAtMs: row.next_attempt_at_ms,
    uselessAfterMs: row.useless_after_ms ?? undefined,
    sentAtMs: row.sent_at_ms ?? undefined,
    lastError: row.last_error ?? undefined,
  };
}
