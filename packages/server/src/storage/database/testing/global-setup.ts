import { type PostgresCluster, startPostgresCluster } from "./postgres-cluster.ts";

/*
 * For `node --test --test-global-setup=…/global-setup.ts`: one PostgreSQL cluster for all test files of the run. Without it each
 * file that needs one starts its own.
 */
let cluster: PostgresCluster | undefined;

/** Starts the cluster, unless ENTREPOT_TEST_POSTGRES_URL names one that may create databases. */
export async function globalSetup(): Promise<void> {
  // oxlint-disable-next-line node/no-process-env -- the only way from the test runner to the test processes
  const { env } = process;
  if (env["ENTREPOT_TEST_POSTGRES_URL"] !== undefined) return;
  cluster = await startPostgresCluster();
  env["ENTREPOT_TEST_POSTGRES_URL"] = cluster.url;
}

export async function globalTeardown(): Promise<void> {
  await cluster?.stop();
}
