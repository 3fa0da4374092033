import { connectTestPostgres } from "@entrepot/server/storage/database/testing/test-postgres";

/** An empty database on the tests' own PostgreSQL cluster, for one server under test. */
export async function openTestPostgres(): Promise<{ readonly url: string; dispose(): Promise<void> }> {
  const postgres = await connectTestPostgres();
  const url = await postgres.create("empty");
  return {
    url,
    async dispose() {
      await postgres.drop(url);
      await postgres.close();
    },
  };
}
