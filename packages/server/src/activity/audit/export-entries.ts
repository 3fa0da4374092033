import type { Database } from "../../storage/database/database.ts";
import { type EntryCursor, type EntryFilter, listEntries } from "./audit-store.ts";
import { formatCef } from "./format-cef.ts";
import { showEntry } from "./show-entry.ts";

export const exportFormats = ["ndjson", "cef"] as const;
export type ExportFormat = (typeof exportFormats)[number];

const pageEntries = 500;

/**
 * All entries that a filter lets through, oldest first, a line each, a page of lines at a time: however many they are, only a page is in memory, and no
 * connection is held while the client reads. Entries written meanwhile may or may not be among them.
 */
export async function* exportEntries(
  database: Database,
  filter: EntryFilter,
  format: ExportFormat,
  version: string,
): AsyncGenerator<Uint8Array> {
  const line =
    format === "cef"
      ? (entry: Parameters<typeof showEntry>[0]) => formatCef(entry, version)
      : (entry: Parameters<typeof showEntry>[0]) => JSON.stringify(showEntry(entry));
  let after: EntryCursor | undefined;
  for (;;) {
    const page = { order: "oldest-first", after, limit: pageEntries } as const;
    const entries = await database.readAside((db) => listEntries(db, filter, page));
    const last = entries.at(-1);
    if (last === undefined) return;
    yield Buffer.from(`${entries.map(line).join("\n")}\n`);
    if (entries.length < pageEntries) return;
    after = { atMs: last.at_ms, id: last.id };
  }
}
