import { sql } from "kysely";
import type { Queryable } from "../database.ts";

/** Where the primary is: what has been committed there, and acknowledged, lies before it. */
export interface PrimaryPosition {
  /** A place in the write-ahead log. */
  readonly position: string;
  /** Which cluster, the same for all its standbys. */
  readonly system: string;
  readonly timeline: number;
}

/**
 * Asked of the primary. Up to the flushed position, since a commit is acknowledged when it has been flushed; where somebody has set `synchronous_commit = off`, it is
 * acknowledged before, and then up to the last one written into memory. Reads no table.
 */
export async function findPrimaryPosition(primary: Queryable): Promise<PrimaryPosition> {
  const { rows } = await sql<PrimaryPosition>`
    select (case current_setting('synchronous_commit')
        when 'off' then pg_current_wal_insert_lsn() else pg_current_wal_flush_lsn() end)::text as position,
      system_identifier::text as system,
      ('x' || substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8))::bit(32)::int as timeline
    from pg_control_system()`.execute(primary);
  const [row] = rows;
  if (row === undefined) throw new Error("the primary did not tell its position");
  return row;
}

/**
 * Asked of the replica, on the connection that reads afterwards: how many bytes before `from` it is, 0 or less when everything up to there has been
 * replayed and is seen by the statements that follow. Undefined when it is no standby of that primary.
 *
 * The timeline is that of its last restart point, or newer. After a failover, a standby that has replayed what the new primary never had stays on the old
 * timeline, and its position says nothing; one that follows is used again after its next restart point.
 */
export async function findLagBytes(replica: Queryable, from: PrimaryPosition): Promise<number | undefined> {
  const { rows } = await sql<{ isStandby: number; system: string; timeline: number; behind: string | null }>`
    select case when pg_is_in_recovery() then 1 else 0 end as "isStandby",
      system_identifier::text as system,
      greatest(timeline_id, min_recovery_end_timeline) as timeline,
      pg_wal_lsn_diff(${from.position}::text::pg_lsn, pg_last_wal_replay_lsn())::text as behind
    from pg_control_system(), pg_control_checkpoint(), pg_control_recovery()`.execute(replica);
  const [row] = rows;
  if (row === undefined || row.behind === null || row.isStandby !== 1) return undefined;
  return row.system === from.system && row.timeline === from.timeline ? Number(row.behind) : undefined;
}
