import { sql } from "kysely";
import type { Queryable, Tx } from "../../storage/database/database.ts";

export interface KindRow {
  readonly name: string;
  readonly isPaused: boolean;
  readonly schedule: string | undefined;
  readonly nextSlotMs: number | undefined;
}

/**
 * Notes a kind. Its due time is kept while its schedule stays the same, whoever starts and stops; a new schedule begins with `firstSlotMs`, and
 * one that is gone is due no more. May be repeated, by several processes at once.
 */
export async function noteKind(
  tx: Tx,
  kind: {
    readonly name: string;
    readonly schedule: string | undefined;
    readonly firstSlotMs: number | undefined;
  },
): Promise<void> {
  const schedule = kind.schedule ?? null;
  await tx
    .insertInto("job_kinds")
    .values({ name: kind.name, is_paused: 0, schedule, next_slot_ms: kind.firstSlotMs ?? null })
    .onConflict((conflict) =>
      conflict
        .column("name")
        .doUpdateSet({ schedule, next_slot_ms: kind.firstSlotMs ?? null })
        .where(sql<boolean>`coalesce(job_kinds.schedule, '') <> coalesce(excluded.schedule, '')`),
    )
    .execute();
}

export async function listKinds(db: Queryable): Promise<readonly KindRow[]> {
  const rows = await db.selectFrom("job_kinds").selectAll().orderBy("name").execute();
  return rows.map((row) => ({
    name: row.name,
    isPaused: row.is_paused === 1,
    schedule: row.schedule ?? undefined,
    nextSlotMs: row.next_slot_ms ?? undefined,
  }));
}

/** Kinds of those named whose schedule is due and that do not rest. */
export async function listDueKinds(
  db: Queryable,
  names: readonly string[],
  nowMs: number,
): Promise<readonly { readonly name: string; readonly schedule: string | null; readonly slotMs: number }[]> {
  if (names.length === 0) return [];
  const rows = await db
    .selectFrom("job_kinds")
    .select(["name", "schedule", "next_slot_ms"])
    .where("name", "in", names)
    .where("is_paused", "=", 0)
    .where("next_slot_ms", "<=", nowMs)
    .execute();
  return rows.flatMap((row) =>
    row.next_slot_ms === null ? [] : [{ name: row.name, schedule: row.schedule, slotMs: row.next_slot_ms }],
  );
}

/** Moves a schedule on from a due time; false = somebody else has done so. Whoever gets true runs what was due. */
export async function passSlot(tx: Tx, name: string, slotMs: number, nextMs: number): Promise<boolean> {
  const row = await tx
    .updateTable("job_kinds")
    .set({ next_slot_ms: nextMs })
    .where("name", "=", name)
    .where("next_slot_ms", "=", slotMs)
    .where("is_paused", "=", 0)
    .returning("name")
    .executeTakeFirst();
  return row !== undefined;
}

/** False = there is no such kind. */
export async function setPaused(tx: Tx, name: string, isPaused: boolean): Promise<boolean> {
  const row = await tx
    .updateTable("job_kinds")
    .set({ is_paused: isPaused ? 1 : 0 })
    .where("name", "=", name)
    .returning("name")
    .executeTakeFirst();
  return row !== undefined;
}
