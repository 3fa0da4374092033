import { sql } from "kysely";
import type { Database, Queryable, Tx } from "../../../storage/database/database.ts";
import { engineOf } from "../../../storage/database/engine-of.ts";
import { insertRepository } from "../../../storage/database/testing/rows.ts";

/** Rows in one statement: few enough for the limit on its time. */
const rowsAtOnce = 50_000;

/**
 * Writes rows of so many blobs, each linked in one of `repositories` repositories (`flood/r0`…) that nothing names any more since the beginning of time.
 * Their digests and locations are spread as those of real content are; what lies there is the caller's business (`floodedLocation`).
 */
export async function floodWithGarbage(
  database: Database,
  flood: { readonly count: number; readonly repositories: number; readonly sizeBytes: number },
): Promise<void> {
  const ids: number[] = [];
  await database.transaction(async (tx) => {
    for (let index = 0; index < flood.repositories; index++)
      ids.push(await insertRepository(tx, `flood/r${index}`));
  });
  const first = Math.min(...ids);
  for (let from = 0; from < flood.count; from += rowsAtOnce) {
    const to = Math.min(flood.count, from + rowsAtOnce);
    await database.transaction(
      async (tx) => {
        const digest = sql`'sha256:' || ${hexOf(tx, sql`n`)}`;
        const numbers = sql`with recursive numbers (n) as (select cast(${from} as bigint) union all select n + 1 from numbers where n + 1 < ${to})`;
        await sql`insert into blobs (digest, size_bytes, location, created_at_ms, unreferenced_since_ms) ${numbers}
          select ${digest}, ${flood.sizeBytes}, 'sha256/' || substr(${hexOf(tx, sql`n`)}, 1, 2) || '/' || ${hexOf(tx, sql`n`)} || '.flood', 0, null
          from numbers`.execute(tx);
        await sql`insert into repository_blobs (repository_id, digest, blob_id, unreferenced_since_ms) ${numbers}
          select ${first} + (n / 1000) % ${flood.repositories}, b.digest, b.id, 1 + n / 50 from numbers join blobs b on b.digest = ${digest}`.execute(
          tx,
        );
      },
      { durable: false },
    );
  }
  if (database.engine === "postgres") {
    await sql`analyze blobs`.execute(database.read);
    await sql`analyze repository_blobs`.execute(database.read);
  }
}

/** Where the bytes of the n-th blob of the flood lie. */
export function floodedLocation(n: number): string {
  const hex = ((BigInt(n) * factor) % range).toString(16).padStart(8, "0") + n.toString(16).padStart(56, "0");
  return `sha256/${hex.slice(0, 2)}/${hex}.flood`;
}

// Knuth's multiplicative hashing: neighbours lie far apart.
const factor = 2_654_435_761n;
const range = 4_294_967_296n;

function hexOf(db: Queryable | Tx, n: ReturnType<typeof sql>) {
  const head = sql`((${n} * ${sql.lit(Number(factor))}) % ${sql.lit(Number(range))})`;
  return engineOf(db) === "postgres"
    ? sql`(lpad(to_hex((cast(${n} as bigint) * ${sql.lit(Number(factor))}) % ${sql.lit(Number(range))}), 8, '0') || lpad(to_hex(${n}), 56, '0'))`
    : sql`(printf('%08x', ${head}) || printf('%056x', ${n}))`;
}

export interface FloodLeft {
  readonly links: number;
  readonly blobs: number;
  readonly bytes: number;
}

/** What of the flood has not gone so far: links, rows of blobs, and bytes that wait to be removed. */
export async function countFloodLeft(db: Queryable): Promise<FloodLeft> {
  const { rows } = await sql<FloodLeft>`select
    (select count(*) from repository_blobs where unreferenced_since_ms < 1000000000) as links,
    (select count(*) from blobs where location like '%.flood') as blobs,
    (select count(*) from blob_deletions where location like '%.flood') as bytes`.execute(db);
  return { links: 0, blobs: 0, bytes: 0, ...rows[0] };
}
