import type { Id } from "./column-types.ts";

/** What happened. */
export interface ActivityTables {
  events: EventsTable;
}

/** Outbox: what happened, in the transaction that made it happen. Pruned by age. */
interface EventsTable {
  id: Id;
  at_ms: number; // indexed
  kind: string; // 'manifest.pushed' | 'manifest.deleted' | 'tag.updated' | 'tag.deleted' | 'repository.created' | 'blob.mounted' | …
  repository: string | null;
  actor: string;
  payload: string; // JSON
}
