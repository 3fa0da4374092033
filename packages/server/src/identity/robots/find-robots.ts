import { tryParseRepositoryName } from "@entrepot/oci/repository-name";
import { AppError } from "../../lib/app-error.ts";
import type { Page } from "../../lib/page.ts";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { type AccessToken, listAccessTokensOf } from "../access-tokens/access-token-store.ts";
import { type CredentialSecret, listSecrets } from "../credentials/secret-store.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { getHeldNamespace, getNamespace, type Namespace } from "../organizations/find-organizations.ts";
import { robotUsername } from "../users/account-name.ts";
import { findRobot, listRobots, lockRobot, type Robot } from "./robot-store.ts";

export type { Robot };

/** A robot with its one credential, as far as that is told again. */
export interface ListedRobot {
  readonly robot: Robot;
  readonly token: AccessToken | undefined;
  readonly secrets: readonly CredentialSecret[];
}

/** Names a robot within its namespace. */
export interface RobotName {
  readonly namespace: string;
  readonly name: string;
}

const maxNameLength = 64;

/** Whether a text can be the name of a robot in its namespace: one component of a repository name, of at most 64 characters. */
export function isRobotName(text: string): boolean {
  return text.length <= maxNameLength && !text.includes("/") && tryParseRepositoryName(text) !== undefined;
}

/** The robots of a namespace by name, one page, and whether more follow. `NOT_FOUND` when there is no such namespace. */
export async function listRobotPage(
  deps: IdentityDeps,
  namespace: string,
  page: Page,
): Promise<{ readonly robots: readonly ListedRobot[]; readonly hasMore: boolean }> {
  const { id, name } = await getNamespace(deps, namespace);
  if (page.limit === 0) return { robots: [], hasMore: false };
  const last = page.last === undefined ? undefined : robotUsername(name, page.last);
  const db = deps.database.read;
  const rows = await listRobots(db, id, { last, limit: page.limit + 1 });
  const robots = await withCredentials(db, rows.slice(0, page.limit));
  return { robots, hasMore: rows.length > page.limit };
}

/** `NOT_FOUND` when there is no such namespace or robot. */
export async function getRobot(deps: IdentityDeps, { namespace, name }: RobotName): Promise<ListedRobot> {
  const owner = await getNamespace(deps, namespace);
  const db = deps.database.read;
  const robot = isRobotName(name) ? await findRobot(db, robotUsername(owner.name, name)) : undefined;
  const [found] = robot === undefined ? [] : await withCredentials(db, [robot]);
  if (found === undefined) throw noSuchRobot(namespace, name);
  return found;
}

/** As `getRobot`; the robot is as it is until the transaction ends. */
export async function getLockedRobot(
  tx: Tx,
  { namespace, name }: RobotName,
): Promise<ListedRobot & { readonly namespace: Namespace }> {
  const owner = await getHeldNamespace(tx, namespace);
  const robot = isRobotName(name) ? await lockRobot(tx, robotUsername(owner.name, name)) : undefined;
  const [found] = robot === undefined ? [] : await withCredentials(tx, [robot]);
  if (found === undefined) throw noSuchRobot(namespace, name);
  return { ...found, namespace: owner };
}

async function withCredentials(db: Queryable, robots: readonly Robot[]): Promise<readonly ListedRobot[]> {
  const all = await listAccessTokensOf(
    db,
    robots.map(({ id }) => id),
  );
  // What a robot got by federation stands beside it, and is nobody's to rotate.
  const tokens = all.filter(({ kind }) => kind === "robot");
  const secrets = await listSecrets(
    db,
    tokens.map(({ id }) => id),
  );
  return robots.map((robot) => {
    const token = tokens.find(({ userId }) => userId === robot.id);
    return { robot, token, secrets: token === undefined ? [] : (secrets.get(token.id) ?? []) };
  });
}

function noSuchRobot(namespace: string, name: string): AppError {
  return new AppError("NOT_FOUND", `${namespace} has no robot ${JSON.stringify(name.slice(0, 80))}`);
}
