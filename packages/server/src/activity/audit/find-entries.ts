import { AppError } from "../../lib/app-error.ts";
import type { Database } from "../../storage/database/database.ts";
import type { AuditSigner } from "./audit-signer.ts";
import { type EntryCursor, type EntryFilter, findPlaceSince, listEntries } from "./audit-store.ts";
import { type ShownEntry, showEntry } from "./show-entry.ts";

export interface AuditReadDeps {
  readonly database: Database;
  readonly signer: AuditSigner;
  /** Of the program, for CEF. */
  readonly version: string;
}

/**
 * A page of entries, newest first, and where the next begins. For a namespace or a repository, only what happened since it is there: who takes a name
 * that somebody had before does not get to read what happened under it.
 */
export async function findEntries(
  deps: AuditReadDeps,
  filter: EntryFilter,
  page: { readonly after: EntryCursor | undefined; readonly limit: number },
): Promise<{ readonly entries: readonly ShownEntry[]; readonly next: string | undefined }> {
  const rows = await deps.database.readAside((db) =>
    listEntries(db, filter, { order: "newest-first", after: page.after, limit: page.limit + 1 }),
  );
  const shown = rows.slice(0, page.limit);
  const last = shown.at(-1);
  return {
    entries: shown.map(showEntry),
    next: rows.length > page.limit && last !== undefined ? `${last.at_ms}.${last.id}` : undefined,
  };
}

/** The filter, narrowed to the time since the place is there. `NOT_FOUND` when there is none. */
export async function sincePlace(
  deps: AuditReadDeps,
  filter: EntryFilter,
  place: { readonly repository: string } | { readonly namespace: string },
): Promise<EntryFilter> {
  // PostgreSQL takes no NUL, and nothing has one in its name.
  const isName = !Object.values(place).some((name) => name.includes("\0"));
  const found = isName ? await findPlaceSince(deps.database.read, place) : undefined;
  if (found === undefined) throw new AppError("NOT_FOUND", "there is no such place");
  return { ...filter, ...place, fromMs: Math.max(filter.fromMs ?? 0, found) };
}
