import { Client } from "pg";

/** How many connections a PostgreSQL server has from an address, whoever uses them. */
export async function countConnections(url: string, fromAddress: string): Promise<number> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const from = "select 1 from pg_stat_activity where client_addr = $1";
    return (await client.query(from, [fromAddress])).rowCount ?? 0;
  } finally {
    await client.end();
  }
}
