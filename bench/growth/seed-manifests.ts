import { createHash } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Manifests of one repository. */
const perRepository = 1_000;

/**
 * Writes manifests with tags straight into the database of a server that is not running, each with references to two blobs as a real image has
 * them. A million by the API would take an hour.
 */
export function seedManifests(dataDir: string, count: number): void {
  const database = new DatabaseSync(join(dataDir, "entrepot.db"));
  database.exec("PRAGMA synchronous=OFF; PRAGMA foreign_keys=OFF; BEGIN");
  const insert = (sql: string) => database.prepare(sql);
  const namespace = insert(
    "insert into namespaces (name, kind, owner_user_id, default_visibility, create_on_push, created_at_ms) values ('growth', 'organization', null, 'private', 1, 0)",
  ).run().lastInsertRowid;
  const repositories = insert(
    "insert into repositories (name, namespace_id, visibility, created_at_ms) values (?, ?, 'private', 0)",
  );
  const manifests = insert(
    "insert into manifests (repository_id, digest, media_type, artifact_type, subject_digest, size_bytes, annotations, created_at_ms, unreferenced_since_ms, orphaned, body) values (?, ?, 'application/vnd.oci.image.manifest.v1+json', null, null, ?, '{}', 0, null, 0, ?)",
  );
  const references = insert(
    "insert into manifest_references (manifest_id, repository_id, digest, kind) values (?, ?, ?, 'blob')",
  );
  const tags = insert(
    "insert into tags (repository_id, name, manifest_id, updated_at_ms) values (?, ?, ?, 0)",
  );
  const digest = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;
  let repositoryId: number | bigint = 0;
  for (let index = 0; index < count; index++) {
    if (index % perRepository === 0) {
      repositoryId = repositories.run(growthRepository(index), namespace).lastInsertRowid;
    }
    const body = Buffer.from(JSON.stringify({ schemaVersion: 2, note: `${index} ${"x".repeat(1_000)}` }));
    const id = manifests.run(repositoryId, digest(body.toString()), body.byteLength, body).lastInsertRowid;
    references.run(id, repositoryId, digest(`config ${index}`));
    references.run(id, repositoryId, digest(`layer ${index % 50_000}`));
    tags.run(repositoryId, growthTag(index), id);
  }
  database.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
}

export function growthRepository(index: number): string {
  return `growth/r${Math.floor(index / perRepository)}`;
}

export function growthTag(index: number): string {
  return `t${index % perRepository}`;
}
