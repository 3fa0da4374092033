import { namespaceOf } from "../../access/create-access.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { getRepository, type RepositoryRow } from "./change-repository.ts";
import { insertNewRepository, type NewRepository } from "./insert-new-repository.ts";

/**
 * Creates an empty repository in a namespace where the actor may create. `REQUEST_INVALID` for a name that lies elsewhere, `ALREADY_EXISTS` for one
 * that is taken. Not to be repeated: the second time it is taken.
 */
export async function createRepository(
  deps: RegistryDeps,
  call: Call,
  repository: NewRepository & { readonly namespace: string },
): Promise<RepositoryRow> {
  const { name, namespace } = repository;
  if (namespaceOf(name, deps.defaultNamespace) !== namespace) {
    throw new AppError("REQUEST_INVALID", `${name} does not lie in the namespace ${namespace}`);
  }
  await deps.database.transaction(async (tx) => {
    if ((await insertNewRepository(deps, call, tx, repository)) !== undefined) return;
    throw new AppError("ALREADY_EXISTS", `there is a repository ${name} already`);
  });
  deps.access.changed();
  return getRepository(deps, name);
}
