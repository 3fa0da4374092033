import type { Selectable } from "kysely";
import type { Queryable, Tx } from "../../../storage/database/database.ts";
import { forNoKeyUpdate } from "../../../storage/database/row-locks.ts";
import type { Tables } from "../../../storage/database/tables.ts";

/** Somewhere that entries are sent. */
export interface Forwarder {
  readonly id: number;
  readonly name: string;
  readonly settings: ForwarderSettings;
  /** Sealed JSON of `ForwarderSecrets`. */
  readonly secret: string | undefined;
  readonly isEnabled: boolean;
  readonly sentSequence: number;
  readonly sentAtMs: number | undefined;
  readonly failures: number;
  readonly nextAttemptAtMs: number;
  readonly lastError: string | undefined;
  readonly createdAtMs: number;
  readonly createdBy: string;
}

export type ForwarderSettings = SyslogSettings | HttpsSettings;

export interface SyslogSettings {
  readonly kind: "syslog";
  readonly host: string;
  readonly port: number;
  readonly transport: "tls" | "tcp";
  readonly format: "json" | "cef";
  readonly serverName?: string;
  /** PEM; absent = those that Node trusts. */
  readonly certificateAuthority?: string;
  readonly clientCertificate?: string;
}

export interface HttpsSettings {
  readonly kind: "https";
  readonly url: string;
}

/** What is sealed. */
export interface ForwarderSecrets {
  readonly clientKey?: string;
  /** Signs posts. */
  readonly secret?: string;
}

export async function listForwarders(db: Queryable): Promise<readonly Forwarder[]> {
  return (await db.selectFrom("audit_forwarders").selectAll().orderBy("name").execute()).map(toForwarder);
}

export async function findForwarder(db: Queryable, name: string): Promise<Forwarder | undefined> {
  const query = db.selectFrom("audit_forwarders").selectAll().where("name", "=", name);
  const row = await query.executeTakeFirst();
  return row === undefined ? undefined : toForwarder(row);
}

/** As `findForwarder`; nobody else changes it until this transaction ends. */
export async function lockForwarder(tx: Tx, name: string): Promise<Forwarder | undefined> {
  const query = tx.selectFrom("audit_forwarders").selectAll().where("name", "=", name);
  const row = await forNoKeyUpdate(tx, query).executeTakeFirst();
  return row === undefined ? undefined : toForwarder(row);
}

/** Inserts a forwarder, or gives the one of that name new settings; how far it has come stays. */
export async function putForwarder(
  tx: Tx,
  forwarder: {
    readonly name: string;
    readonly settings: ForwarderSettings;
    readonly secret: string | undefined;
    readonly isEnabled: boolean;
    readonly fromSequence: number;
    readonly nowMs: number;
    readonly createdBy: string;
  },
): Promise<void> {
  const { name, settings } = forwarder;
  const changed = {
    kind: settings.kind,
    settings: JSON.stringify(settings),
    secret: forwarder.secret ?? null,
    is_enabled: forwarder.isEnabled ? 1 : 0,
    failures: 0,
    next_attempt_at_ms: 0,
    last_error: null,
  };
  await tx
    .insertInto("audit_forwarders")
    .values({
      name,
      ...changed,
      sent_sequence: forwarder.fromSequence,
      created_at_ms: forwarder.nowMs,
      created_by: forwarder.createdBy,
    })
    .onConflict((conflict) => conflict.column("name").doUpdateSet(changed))
    .execute();
}

export async function deleteForwarder(tx: Tx, name: string): Promise<boolean> {
  const result = await tx.deleteFrom("audit_forwarders").where("name", "=", name).executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** How an attempt went. */
export async function recordAttempt(
  tx: Tx,
  id: number,
  outcome:
    | { readonly sentSequence: number; readonly nowMs: number }
    | { readonly failures: number; readonly nextAttemptAtMs: number; readonly error: string },
): Promise<void> {
  const values =
    "sentSequence" in outcome
      ? {
          sent_sequence: outcome.sentSequence,
          sent_at_ms: outcome.nowMs,
          failures: 0,
          next_attempt_at_ms: 0,
          last_error: null,
        }
      : {
          failures: outcome.failures,
          next_attempt_at_ms: outcome.nextAttemptAtMs,
          last_error: outcome.error,
        };
  await tx.updateTable("audit_forwarders").set(values).where("id", "=", id).execute();
}

function toForwarder(row: Selectable<Tables["audit_forwarders"]>): Forwarder {
  return {
    id: row.id,
    name: row.name,
    settings: JSON.parse(row.settings) as ForwarderSettings, // as: `putForwarder` wrote it
    secret: row.secret ?? undefined,
    isEnabled: row.is_enabled === 1,
    sentSequence: row.sent_sequence,
    sentAtMs: row.sent_at_ms ?? undefined,
    failures: row.failures,
    nextAttemptAtMs: row.next_attempt_at_ms,
    lastError: row.last_error ?? undefined,
    createdAtMs: row.created_at_ms,
    createdBy: row.created_by,
  };
}
