import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forUpdate } from "../../storage/database/row-locks.ts";
import type { User } from "../users/user-store.ts";

/** The account of a program, which a namespace owns. */
export interface Robot {
  readonly id: number;
  readonly namespaceId: number;
  /** "acme+ci": what it signs in as. */
  readonly username: string;
  readonly description: string;
  readonly metadata: Metadata;
  readonly isDisabled: boolean;
  readonly expiresAtMs: number | undefined;
  readonly createdAtMs: number;
  readonly createdBy: string | undefined;
}

/** Whatever its owner wants to remember about it. */
export type Metadata = Readonly<Record<string, unknown>>;

export interface RobotChange {
  readonly description?: string | undefined;
  readonly metadata?: Metadata | undefined;
  readonly isDisabled?: boolean | undefined;
  /** Null = for good. */
  readonly expiresAtMs?: number | null | undefined;
}

const columns = [
  "id",
  "namespace_id",
  "username",
  "description",
  "metadata",
  "is_disabled",
  "expires_at_ms",
  "created_at_ms",
  "created_by",
] as const;

/** Inserts a robot; undefined when the namespace has one of that name. */
export async function insertRobot(
  tx: Tx,
  robot: Omit<Robot, "id" | "isDisabled">,
): Promise<Robot | undefined> {
  const row = await tx
    .insertInto("users")
    .values({
      username: robot.username,
      kind: "robot",
      password_hash: null,
      is_admin: 0,
      is_disabled: 0,
      created_at_ms: robot.createdAtMs,
      created_by: robot.createdBy ?? null,
      namespace_id: robot.namespaceId,
      description: robot.description,
      metadata: JSON.stringify(robot.metadata),
      expires_at_ms: robot.expiresAtMs ?? null,
    })
    .onConflict((conflict) => conflict.column("username").doNothing())
    .returning(columns)
    .executeTakeFirst();
  return row === undefined ? undefined : toRobot(row);
}

export async function findRobot(db: Queryable, username: string): Promise<Robot | undefined> {
  const query = db
    .selectFrom("users")
    .select(columns)
    .where("username", "=", username)
    .where("kind", "=", "robot");
  const row = await query.executeTakeFirst();
  return row === undefined ? undefined : toRobot(row);
}

/** The robot as it is until this transaction ends. */
export async function lockRobot(tx: Tx, username: string): Promise<Robot | undefined> {
  const query = tx
    .selectFrom("users")
    .select(columns)
    .where("username", "=", username)
    .where("kind", "=", "robot");
  const row = await forUpdate(tx, query).executeTakeFirst();
  return row === undefined ? undefined : toRobot(row);
}

/** The robots of a namespace by name in byte order after `last`, a full name. */
export async function listRobots(
  db: Queryable,
  namespaceId: number,
  page: { readonly last: string | undefined; readonly limit: number },
): Promise<readonly Robot[]> {
  let query = db
    .selectFrom("users")
    .select(columns)
    .where("namespace_id", "=", namespaceId)
    .where("kind", "=", "robot")
    .orderBy("username")
    .limit(page.limit);
  if (page.last !== undefined) query = query.where("username", ">", page.last);
  return (await query.execute()).map(toRobot);
}

export async function updateRobot(tx: Tx, id: number, change: RobotChange): Promise<void> {
  const values = {
    ...(change.description === undefined ? {} : { description: change.description }),
    ...(change.metadata === undefined ? {} : { metadata: JSON.stringify(change.metadata) }),
    ...(change.isDisabled === undefined ? {} : { is_disabled: change.isDisabled ? 1 : 0 }),
    ...(change.expiresAtMs === undefined ? {} : { expires_at_ms: change.expiresAtMs }),
  };
  if (Object.keys(values).length === 0) return;
  await tx.updateTable("users").set(values).where("id", "=", id).execute();
}

/** Deletes the row; its credential, grants and memberships go by cascade. */
export async function deleteRobotRow(tx: Tx, id: number): Promise<void> {
  await tx.deleteFrom("users").where("id", "=", id).execute();
}

/** Who owns the namespace of a robot, if that is a user. */
export async function findOwnerOf(
  db: Queryable,
  robotId: number,
): Promise<Pick<User, "isDisabled" | "expiresAtMs"> | undefined> {
  const row = await db
    .selectFrom("users as r")
    .innerJoin("namespaces as n", "n.id", "r.namespace_id")
    .innerJoin("users as o", "o.id", "n.owner_user_id")
    .select(["o.is_disabled", "o.expires_at_ms"])
    .where("r.id", "=", robotId)
    .executeTakeFirst();
  return row === undefined
    ? undefined
    : { isDisabled: row.is_disabled === 1, expiresAtMs: row.expires_at_ms ?? undefined };
}

function toRobot(row: {
  readonly id: number;
  readonly namespace_id: number | null;
  readonly username: string;
  readonly description: string;
  readonly metadata: string;
  readonly is_disabled: number;
  readonly expires_at_ms: number | null;
  readonly created_at_ms: number;
  readonly created_by: string | null;
}): Robot {
  return {
    id: row.id,
    namespaceId: row.namespace_id ?? 0,
    username: row.username,
    description: row.description,
    metadata: JSON.parse(row.metadata) as Metadata, // as: `insertRobot` or `updateRobot` wrote it
    isDisabled: row.is_disabled === 1,
    expiresAtMs: row.expires_at_ms ?? undefined,
    createdAtMs: row.created_at_ms,
    createdBy: row.created_by ?? undefined,
  };
}
