import type { TestContext } from "node:test";
import type { Database } from "../../storage/database/database.ts";
import {
  administrator,
  basic,
  password,
  sendJson,
  startIdentity,
  type TestIdentity,
  type TestIdentityOptions,
} from "./start-identity.ts";

/** An instance with people, and short ways to act as one of them. */
export interface House {
  readonly instance: TestIdentity;
  /** Status and JSON of a request as somebody; "" = nobody; anything with a space is an Authorization header. */
  as(who: string, method: string, path: string, body?: unknown): Promise<Answer>;
  /** What somebody may do to a repository, in the order pull, push, delete, admin. */
  rights(who: string, repository: string): Promise<readonly string[]>;
  /** The actions of the audit entries, in order; not of what the registry did by itself. */
  audited(): Promise<readonly string[]>;
}

export interface Answer {
  readonly status: number;
  /** Undefined when the reply has no body. */
  readonly body: unknown;
}

const actions = ["pull", "push", "delete", "admin"] as const;

/** Opens it with the administrator `ada` and the people named. */
export async function startHouse(
  t: TestContext,
  database: Database,
  people: readonly string[],
  options: TestIdentityOptions = {},
): Promise<House> {
  const instance = await startIdentity(t, database, options);
  await instance.identity.createUser({ username: administrator, password, isAdmin: true });
  for (const username of people) await instance.identity.createUser({ username, password, isAdmin: false });
  return houseOf(instance);
}

/** The same ways over an instance that is there. */
export function houseOf(instance: TestIdentity): House {
  const headerOf = (who: string) => (who.includes(" ") ? who : basic(who, password));
  return {
    instance,
    async as(who, method, path, body) {
      const reply =
        who === ""
          ? await instance.fetch(path, { method })
          : await sendJson(instance, method, path, headerOf(who), body);
      const text = await reply.text();
      const value: unknown = text === "" ? undefined : JSON.parse(text);
      return { status: reply.status, body: value };
    },
    async rights(who, repository) {
      const answers = await Promise.all(
        actions.map(async (action) => {
          const path = `/v2/${repository}/probe/${action}`;
          return (await instance.fetch(path, { authorization: headerOf(who) })).status === 204;
        }),
      );
      return actions.filter((_, index) => answers[index]);
    },
    async audited() {
      const rows = await instance.database.read
        .selectFrom("audit_entries")
        .select("action")
        .where("actor", "!=", "registry")
        .orderBy("id")
        .execute();
      return rows.map((row) => row.action);
    },
  };
}
