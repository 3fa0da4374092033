import type { RepositoryRow } from "./repository-store.ts";

/** A repository as the management API shows it. */
export function shapeRepository(repository: RepositoryRow) {
  const { name, visibility, state, description, createdAtMs } = repository;
  return { name, visibility, state, description, createdAtMs };
}
