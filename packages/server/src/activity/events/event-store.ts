import type { Tx } from "../../storage/database/database.ts";

/** Kinds of event, area first. Consumers ignore kinds they do not know. */
export const eventKinds = [
  "repository.created",
  "repository.deleted",
  "repository.visibility-changed",
  "repository.state-changed",
  "repository.renamed",
  "namespace.renamed",
  "manifest.pushed",
  "manifest.deleted",
  "tag.updated",
  "tag.deleted",
  "blob.mounted",
] as const;
export type EventKind = (typeof eventKinds)[number];

export interface NewEvent {
  readonly kind: EventKind;
  readonly atMs: number;
  /** Null for what concerns no repository in particular. */
  readonly repository: string | null;
  readonly actor: string;
  readonly payload: Readonly<Record<string, string | number | null>>;
}

/** Writes events in the transaction that makes them true: either both are committed or neither. */
export async function recordEvents(tx: Tx, events: readonly NewEvent[]): Promise<void> {
  if (events.length > 0) await eventInsert(tx, events).execute();
}

/** As `recordEvents`, at least one, for a transaction that sends its last statements together. */
export function eventInsert(tx: Tx, events: readonly NewEvent[]) {
  return tx.insertInto("events").values(
    events.map((event) => ({
      at_ms: event.atMs,
      kind: event.kind,
      repository: event.repository,
      actor: event.actor,
      payload: JSON.stringify(event.payload),
    })),
  );
}

/** Deletes at most `limit` events older than `beforeMs`, oldest first; tells how many went. May be repeated. */
export async function pruneEvents(tx: Tx, beforeMs: number, limit: number): Promise<number> {
  const result = await tx
    .deleteFrom("events")
    .where("id", "in", (query) =>
      query.selectFrom("events").select("id").where("at_ms", "<", beforeMs).orderBy("at_ms").limit(limit),
    )
    .executeTakeFirst();
  return Number(result.numDeletedRows);
}
