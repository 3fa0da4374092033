import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { ListedRepository, ReadableRepositories } from "../../access/access.ts";
import type { RepositoryState, Visibility } from "../../access/actions.ts";
import { readableCandidates } from "../../access/readable-store.ts";
import { toVisibility } from "../../access/rights-store.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forKeyShare, forNoKeyUpdate, forShare, forUpdate } from "../../storage/database/row-locks.ts";
import { sendNotice } from "../../storage/database/send-notice.ts";

export interface RepositoryRow extends ListedRepository {
  readonly state: RepositoryState;
  readonly description: string;
  readonly createdAtMs: number;
}

const columns = [
  "id",
  "name",
  "namespace_id",
  "visibility",
  "state",
  "description",
  "created_at_ms",
] as const;

export async function findRepositoryId(db: Queryable, name: RepositoryName): Promise<number | undefined> {
  const row = await db.selectFrom("repositories").select("id").where("name", "=", name).executeTakeFirst();
  return row?.id;
}

export async function findRepository(
  db: Queryable,
  name: RepositoryName,
): Promise<RepositoryRow | undefined> {
  const row = await db.selectFrom("repositories").select(columns).where("name", "=", name).executeTakeFirst();
  return row === undefined ? undefined : toRepository(row);
}

/** The id of the repository of that name, as part of a statement. */
export function repositoryIdOf(db: Queryable, name: RepositoryName) {
  return db.selectFrom("repositories").select("id").where("name", "=", name);
}

/**
 * Holds the repository against deletes, renames and the collector while a manifest is put, and tells its id: several puts at once may hold it. No row
 * when it is not there. Nothing is held on SQLite, where write transactions run one after the other.
 */
export function lockRepositoryForPut(tx: Tx, name: RepositoryName) {
  return forShare(tx, repositoryIdOf(tx, name));
}

/** Holds the repository against its deletion while a blob is linked into it, and tells its id. No row when it is not there. */
export function lockRepositoryForLink(
  tx: Tx,
  which: { readonly id: number } | { readonly name: RepositoryName },
) {
  const query = tx.selectFrom("repositories").select("id");
  return forKeyShare(
    tx,
    "id" in which ? query.where("id", "=", which.id) : query.where("name", "=", which.name),
  );
}

/** Holds the repository for one transaction that breaks references; waits for puts under way, lets blobs be linked meanwhile. */
export async function lockRepositoryForDelete(tx: Tx, repositoryId: number): Promise<boolean> {
  const query = tx.selectFrom("repositories").select("id").where("id", "=", repositoryId);
  return (await forNoKeyUpdate(tx, query).executeTakeFirst()) !== undefined;
}

/**
 * Holds the repository, false when it is gone, until it is deleted with all that hangs on it. Nothing is linked or begun in it any more: what came after a look at
 * what there is would go with it, and be known to nobody.
 */
export async function lockRepositoryForRemoval(tx: Tx, repositoryId: number): Promise<boolean> {
  const query = tx.selectFrom("repositories").select("id").where("id", "=", repositoryId);
  return (await forUpdate(tx, query).executeTakeFirst()) !== undefined;
}

/**
 * Inserts the namespace when it is missing and tells its id and settings, and whether it is new. `DENIED` when it is being given another name, or deleted, at this
 * moment.
 */
export async function ensureNamespace(
  tx: Tx,
  namespace: { readonly name: string; readonly defaultVisibility: Visibility; readonly nowMs: number },
): Promise<{ readonly id: number; readonly defaultVisibility: Visibility; readonly isNew: boolean }> {
  const inserted = await tx
    .insertInto("namespaces")
    .values({
      name: namespace.name,
      kind: "organization",
      owner_user_id: null,
      default_visibility: namespace.defaultVisibility,
      create_on_push: 1,
      created_at_ms: namespace.nowMs,
    })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .returning("id")
    .executeTakeFirst();
  const row = await forKeyShare(
    tx,
    tx.selectFrom("namespaces").select(["id", "default_visibility"]).where("name", "=", namespace.name),
  ).executeTakeFirst();
  if (row === undefined)
    throw new AppError("DENIED", `the namespace ${namespace.name} has just been taken away`);
  return {
    id: row.id,
    defaultVisibility: toVisibility(row.default_visibility),
    isNew: inserted !== undefined,
  };
}

/** Inserts a repository; undefined when one of that name appeared meanwhile. */
export async function insertRepository(
  tx: Tx,
  repository: {
    readonly name: RepositoryName;
    readonly namespaceId: number;
    readonly visibility: Visibility;
    readonly description: string;
    readonly nowMs: number;
  },
): Promise<number | undefined> {
  const row = await tx
    .insertInto("repositories")
    .values({
      name: repository.name,
      namespace_id: repository.namespaceId,
      visibility: repository.visibility,
      description: repository.description,
      created_at_ms: repository.nowMs,
    })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .returning("id")
    .executeTakeFirst();
  return row?.id;
}

export interface RepositorySettings {
  readonly visibility?: Visibility;
  readonly state?: RepositoryState;
  readonly description?: string;
}

/** Sets what is given; false when the repository is gone. */
export async function updateSettings(
  tx: Tx,
  repositoryId: number,
  settings: RepositorySettings,
): Promise<boolean> {
  const query = tx.updateTable("repositories").set(settings).where("id", "=", repositoryId);
  return (await query.executeTakeFirst()).numUpdatedRows > 0n;
}

/** The repository as it is now, and until this transaction ends. */
export async function lockRepository(tx: Tx, name: RepositoryName): Promise<RepositoryRow | undefined> {
  const query = tx.selectFrom("repositories").select(columns).where("name", "=", name);
  const row = await forUpdate(tx, query).executeTakeFirst();
  return row === undefined ? undefined : toRepository(row);
}

/** Hidden repositories by name after `last`. */
export async function listHiddenRepositories(
  db: Queryable,
  page: { readonly last: string | undefined; readonly limit: number },
): Promise<readonly RepositoryRow[]> {
  let query = db
    .selectFrom("repositories")
    .select(columns)
    .where("state", "=", "hidden")
    .orderBy("name")
    .limit(page.limit);
  if (page.last !== undefined) query = query.where("name", ">", page.last);
  return (await query.execute()).map(toRepository);
}

/** Names in byte order after `last`, at most `limit`, of the repositories that are candidates for a listing. */
export async function listRepositories(
  db: Queryable,
  readable: ReadableRepositories,
  page: { readonly last: string | undefined; readonly limit: number },
): Promise<readonly RepositoryRow[]> {
  let query = db
    .selectFrom("repositories as r")
    .select(columns.map((column) => `r.${column}` as const))
    .where(readableCandidates(readable))
    .orderBy("r.name")
    .limit(page.limit);
  if (page.last !== undefined) query = query.where("r.name", ">", page.last);
  return (await query.execute()).map(toRepository);
}

/** Deletes the repository's row; what hangs on it (manifests, tags, links, uploads, grants) goes by cascade. */
export async function deleteRepositoryRow(tx: Tx, repositoryId: number): Promise<void> {
  await tx.deleteFrom("repositories").where("id", "=", repositoryId).execute();
  await sendNotice(tx, "removal");
}

function toRepository(row: {
  readonly id: number;
  readonly name: string;
  readonly namespace_id: number;
  readonly visibility: string;
  readonly state: string;
  readonly description: string;
  readonly created_at_ms: number;
}): RepositoryRow {
  return {
    id: row.id,
    name: row.name,
    namespaceId: row.namespace_id,
    visibility: toVisibility(row.visibility),
    state: row.state === "frozen" || row.state === "hidden" ? row.state : "active",
    description: row.description,
    createdAtMs: row.created_at_ms,
  };
}
