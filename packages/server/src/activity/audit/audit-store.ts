import type { Insertable, Selectable } from "kysely";
import { sql } from "kysely";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import type { Tables } from "../../storage/database/tables.ts";

export type AuditRow = Insertable<Tables["audit_entries"]>;

/** An entry as it lies in the table. */
export type StoredEntry = Selectable<Tables["audit_entries"]>;
export type SealedEntry = StoredEntry & { readonly sequence: number; readonly hash: string };

// 16 parameters a row; both engines take many more.
const rowsPerStatement = 200;

export function auditInsert(tx: Tx, rows: readonly AuditRow[]) {
  return tx.insertInto("audit_entries").values(rows);
}

export async function insertAuditEntries(tx: Tx, rows: readonly AuditRow[]): Promise<void> {
  for (let start = 0; start < rows.length; start += rowsPerStatement) {
    await auditInsert(tx, rows.slice(start, start + rowsPerStatement)).execute();
  }
}

/** What a query may ask for; what is absent does not matter. */
export interface EntryFilter {
  readonly fromMs?: number | undefined;
  /** Exclusive. */
  readonly untilMs?: number | undefined;
  readonly actor?: string | undefined;
  readonly action?: TextFilter | undefined;
  readonly target?: TextFilter | undefined;
  readonly outcome?: string | undefined;
  readonly address?: string | undefined;
  readonly namespace?: string | undefined;
  readonly repository?: string | undefined;
  readonly requestId?: string | undefined;
  readonly elevationId?: number | undefined;
}

/** The whole text, or how it begins. */
export interface TextFilter {
  readonly text: string;
  readonly isPrefix: boolean;
}

/** Place in the order of time. */
export interface EntryCursor {
  readonly atMs: number;
  readonly id: number;
}

/** Entries in the order of time, or against it, after the cursor. Sealed or not. */
export async function listEntries(
  db: Queryable,
  filter: EntryFilter,
  page: {
    readonly order: "oldest-first" | "newest-first";
    readonly after: EntryCursor | undefined;
    readonly limit: number;
  },
): Promise<readonly StoredEntry[]> {
  const isOldestFirst = page.order === "oldest-first";
  let query = filtered(db, filter)
    .orderBy("at_ms", isOldestFirst ? "asc" : "desc")
    .orderBy("id", isOldestFirst ? "asc" : "desc")
    .limit(page.limit);
  if (page.after !== undefined) {
    const { atMs, id } = page.after;
    query = query.where(
      isOldestFirst
        ? sql<boolean>`(at_ms, id) > (${atMs}, ${id})`
        : sql<boolean>`(at_ms, id) < (${atMs}, ${id})`,
    );
  }
  return query.execute();
}

function filtered(db: Queryable, filter: EntryFilter) {
  const equal = {
    actor: filter.actor,
    outcome: filter.outcome,
    address: filter.address,
    namespace: filter.namespace,
    repository: filter.repository,
    request_id: filter.requestId,
  };
  let query = db.selectFrom("audit_entries").selectAll();
  for (const [column, value] of Object.entries(equal)) {
    // as: the keys above are columns
    if (value !== undefined) query = query.where(column as keyof typeof equal, "=", value);
  }
  if (filter.fromMs !== undefined) query = query.where("at_ms", ">=", filter.fromMs);
  if (filter.untilMs !== undefined) query = query.where("at_ms", "<", filter.untilMs);
  for (const column of ["action", "target"] as const) {
    const asked = filter[column];
    if (asked === undefined) continue;
    // Not LIKE: SQLite's does not tell capitals from small letters.
    query = asked.isPrefix
      ? query.where(
          sql<boolean>`substr(${sql.ref(column)}, 1, ${Array.from(asked.text).length}) = ${asked.text}`,
        )
      : query.where(column, "=", asked.text);
  }
  if (filter.elevationId !== undefined)
    query = query.where("elevations", "like", `%,${filter.elevationId},%`);
  return query;
}

/** Since when there is a repository or a namespace of that name; undefined when there is none. */
export async function findPlaceSince(
  db: Queryable,
  place: { readonly repository: string } | { readonly namespace: string },
): Promise<number | undefined> {
  const query =
    "repository" in place
      ? db.selectFrom("repositories").select("created_at_ms").where("name", "=", place.repository)
      : db.selectFrom("namespaces").select("created_at_ms").where("name", "=", place.namespace);
  return (await query.executeTakeFirst())?.created_at_ms;
}

/** Whether an entry waits for its place. By an index that holds only those. */
export async function hasUnsealed(db: Queryable): Promise<boolean> {
  const query = db.selectFrom("audit_entries").select("id").where("sequence", "is", null).limit(1);
  return (await query.executeTakeFirst()) !== undefined;
}
