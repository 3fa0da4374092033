import {
  type PostgresCluster,
  startPostgresCluster,
} from "@entrepot/server/storage/database/testing/postgres-cluster";

/** A PostgreSQL server of our own that keeps what it commits and cleans up after itself, as one in use does. */
export function startDurablePostgres(): Promise<PostgresCluster> {
  return startPostgresCluster(undefined, {
    fsync: "on",
    full_page_writes: "on",
    autovacuum: "on",
    autovacuum_naptime: "10s",
    shared_buffers: "256MB",
    max_wal_size: "2GB",
  });
}
