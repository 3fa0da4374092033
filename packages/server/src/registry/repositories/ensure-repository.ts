import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { Call } from "../../http/endpoint.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { insertNewRepository } from "./insert-new-repository.ts";
import { findRepositoryId } from "./repository-store.ts";

/**
 * The id of the repository, created if this is the first push to it. The caller has decided that the actor may push; that
 * includes creating (access decides 'push' on a name that does not exist). Several at once create it once. `DENIED` when its namespace would be
 * new and has a reserved name.
 */
export async function ensureRepository(
  deps: RegistryDeps,
  call: Call,
  name: RepositoryName,
): Promise<number> {
  const existing = await findRepositoryId(deps.database.read, name);
  if (existing !== undefined) return existing;
  const id = await deps.database.transaction(async (tx) => {
    const inserted = await insertNewRepository(deps, call, tx, { name });
    return inserted ?? findRepositoryId(tx, name);
  });
  deps.access.changed();
  // Undefined only if somebody deleted the repository between the two statements; the next try creates it again.
  return id ?? ensureRepository(deps, call, name);
}
