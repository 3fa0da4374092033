import type { RepositoryPattern } from "@entrepot/oci/path-pattern";
import type { Queryable, Tx } from "../../storage/database/database.ts";

/** Who decides about the repositories of a pattern, and how they are asked. */
export interface DecisionPoint {
  readonly id: number;
  readonly name: string;
  readonly pattern: RepositoryPattern;
  readonly url: string;
  /** As the secret box sealed it. */
  readonly sealedSecret: string;
  /** From the question to the whole answer. */
  readonly timeoutMs: number;
  /** How long an answer that has ended may stand in when none can be had. */
  readonly serveStaleSeconds: number;
  /** Questions at once, for each process. */
  readonly maxConcurrent: number;
  /** Whether it is asked what nobody in particular may. */
  readonly allowsAnonymous: boolean;
  /** Whether it is asked about credentials that are shown without naming a repository. */
  readonly answersLogin: boolean;
  /** Another one with every change. */
  readonly revision: number;
  readonly createdAtMs: number;
  readonly createdBy: string;
}

export type DecisionPointSettings = Pick<
  DecisionPoint,
  | "pattern"
  | "url"
  | "sealedSecret"
  | "timeoutMs"
  | "serveStaleSeconds"
  | "maxConcurrent"
  | "allowsAnonymous"
  | "answersLogin"
>;

export async function listDecisionPoints(db: Queryable): Promise<readonly DecisionPoint[]> {
  const rows = await db.selectFrom("decision_points").selectAll().orderBy("name").execute();
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    pattern: row.pattern as RepositoryPattern, // as: it was parsed before it was written
    url: row.url,
    sealedSecret: row.secret,
    timeoutMs: row.timeout_ms,
    serveStaleSeconds: row.serve_stale_seconds,
    maxConcurrent: row.max_concurrent,
    allowsAnonymous: row.allows_anonymous === 1,
    answersLogin: row.answers_login === 1,
    revision: row.revision,
    createdAtMs: row.created_at_ms,
    createdBy: row.created_by,
  }));
}

/** Only one at a time changes the set of them, so that two patterns cannot both be new and overlap. */
export async function lockDecisionPoints(tx: Tx): Promise<readonly DecisionPoint[]> {
  await nextDecisionNumber(tx);
  return listDecisionPoints(tx);
}

export async function insertDecisionPoint(
  tx: Tx,
  point: DecisionPointSettings & {
    readonly name: string;
    readonly createdAtMs: number;
    readonly createdBy: string;
  },
): Promise<void> {
  await tx
    .insertInto("decision_points")
    .values({
      ...columnsOf(point),
      name: point.name,
      revision: 1,
      created_at_ms: point.createdAtMs,
      created_by: point.createdBy,
    })
    .execute();
}

export async function updateDecisionPoint(
  tx: Tx,
  id: number,
  settings: DecisionPointSettings,
): Promise<void> {
  await tx
    .updateTable("decision_points")
    .set((eb) => ({ ...columnsOf(settings), revision: eb("revision", "+", 1) }))
    .where("id", "=", id)
    .execute();
}

export async function deleteDecisionPoint(tx: Tx, id: number): Promise<void> {
  await tx.deleteFrom("decision_points").where("id", "=", id).execute();
}

function columnsOf(settings: DecisionPointSettings) {
  return {
    pattern: settings.pattern,
    url: settings.url,
    secret: settings.sealedSecret,
    timeout_ms: settings.timeoutMs,
    serve_stale_seconds: settings.serveStaleSeconds,
    max_concurrent: settings.maxConcurrent,
    allows_anonymous: settings.allowsAnonymous ? 1 : 0,
    answers_login: settings.answersLogin ? 1 : 0,
  };
}

export const invalidationKinds = ["all", "principal", "repository", "cache-key"] as const;
export type InvalidationKind = (typeof invalidationKinds)[number];

/** Answers of a point that must not be used any more: all, or those about a principal, about a repository, or of a cache key. */
export interface Invalidation {
  readonly pointId: number;
  readonly kind: InvalidationKind;
  /** "" for all. */
  readonly subject: string;
}

const counter = "decisions";
/** A process that has not looked for so long forgets everything instead. */
const keptForMs = 3_600_000;

/** Writes invalidations down for every process. Their numbers are in the order of the commits. */
export async function insertInvalidations(
  tx: Tx,
  invalidations: readonly Invalidation[],
  nowMs: number,
): Promise<void> {
  for (const { pointId, kind, subject } of invalidations) {
    const id = await nextDecisionNumber(tx);
    await tx
      .insertInto("decision_invalidations")
      .values({ id, point_id: pointId, kind, subject, at_ms: nowMs })
      .execute();
  }
  await tx
    .deleteFrom("decision_invalidations")
    .where("at_ms", "<", nowMs - keptForMs)
    .execute();
}

/** The row of the counter stays locked until the transaction ends, so a lower number is never committed after a higher one. */
async function nextDecisionNumber(tx: Tx): Promise<number> {
  const { value } = await tx
    .updateTable("counters")
    .set((eb) => ({ value: eb("value", "+", 1) }))
    .where("name", "=", counter)
    .returning("value")
    .executeTakeFirstOrThrow();
  return value;
}

/** What was invalidated after number `after`, at most `limit`, and the last number given out. */
export async function listInvalidations(
  db: Queryable,
  after: number,
  limit: number,
): Promise<{ readonly last: number; readonly rows: readonly (Invalidation & { readonly id: number })[] }> {
  const found = await db
    .selectFrom("counters as c")
    .leftJoin("decision_invalidations as i", (join) => join.on("i.id", ">", after))
    .select(["c.value", "i.id", "i.point_id", "i.kind", "i.subject"])
    .where("c.name", "=", counter)
    .orderBy("i.id")
    .limit(limit)
    .execute();
  return {
    last: found[0]?.value ?? 0,
    rows: found.flatMap(({ id, point_id: pointId, kind, subject }) =>
      id === null || pointId === null || subject === null
        ? []
        : [{ id, pointId, kind: invalidationKinds.find((one) => one === kind) ?? "all", subject }],
    ),
  };
}
