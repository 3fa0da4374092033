import assert from "node:assert/strict";
import { test } from "node:test";
import type { Queryable, Tx } from "../storage/database/database.ts";
import { eachDatabase } from "../storage/database/testing/each-database.ts";
import { explainPlan, planAsForManyRows } from "../storage/database/testing/explain-plan.ts";
import { listGrantsNear } from "./grant-store.ts";
import { loadListable, loadNamespaceStanding, loadRights } from "./rights-store.ts";

const asked = { userId: 1, repository: "org1/app/1", namespace: "org1" };

/** What is asked when nothing is in memory, for every first request of somebody. */
const questions: Readonly<Record<string, (db: Queryable) => Promise<unknown>>> = {
  "rights on a repository": (db) => loadRights(db, asked),
  "rank in a namespace": (db) => loadNamespaceStanding(db, 1, "org1"),
  "what is listed": (db) => loadListable(db, 1),
};

const organizations = 300;

/** Rows by the thousand, or PostgreSQL reads the few pages that there are. One user is in twenty teams, and was granted a thousand things. */
async function fill(tx: Tx): Promise<void> {
  const numbers = Array.from({ length: organizations }, (_, index) => index + 1);
  const user = { password_hash: null, is_admin: 0, is_disabled: 0, created_at_ms: 0 };
  const namespace = { kind: "organization", owner_user_id: null, default_visibility: "private" };
  const team = { name: "team", role: "member", description: "", created_at_ms: 0 };
  const repository = { visibility: "private", created_at_ms: 0 };
  await tx
    .insertInto("users")
    .values(numbers.map((id) => ({ ...user, id, username: `user${id}` })))
    .execute();
  await tx
    .insertInto("namespaces")
    .values(
      numbers.map((id) => ({ ...namespace, id, name: `org${id}`, create_on_push: 1, created_at_ms: 0 })),
    )
    .execute();
  await tx
    .insertInto("teams")
    .values(numbers.map((id) => ({ ...team, id, namespace_id: id })))
    .execute();
  const member = { origin: "manual", added_at_ms: 0 };
  for (const offset of [0, 1, 2, 3, 4]) {
    const members = numbers.map((id) => ({
      ...member,
      team_id: id,
      user_id: ((id + offset) % organizations) + 1,
    }));
    await tx.insertInto("team_members").values(members).execute();
  }
  for (let part = 0; part < 10; part += 1) {
    const repositories = numbers.map((id) => ({
      ...repository,
      namespace_id: id,
      name: `org${id}/app/${part}`,
    }));
    await tx.insertInto("repositories").values(repositories).execute();
    await tx
      .insertInto("grants")
      .values(numbers.flatMap((id) => grantsOf(id, part)))
      .execute();
  }
  const aliases = numbers.map((id) => ({ name: `former${id}`, namespace_id: id, created_at_ms: 0 }));
  await tx.insertInto("namespace_aliases").values(aliases).execute();
  const repositories = await tx.selectFrom("repositories").select(["id", "name"]).execute();
  for (let start = 0; start < repositories.length; start += 500) {
    const formers = repositories
      .slice(start, start + 500)
      .map((row) => ({ name: `${row.name}/former`, repository_id: row.id, created_at_ms: 0 }));
    await tx.insertInto("repository_aliases").values(formers).execute();
  }
}

function grantsOf(id: number, part: number) {
  const grant = { namespace_id: id, role: "read", created_at_ms: 0, team_id: null, user_id: null };
  const onPath = { ...grant, repository_id: null, pattern: `org${id}/app/${part}*`, prefix: `org${id}/app` };
  const onRepository = { ...grant, repository_id: part * organizations + id, pattern: null, prefix: null };
  return [
    { ...onPath, team_id: id },
    { ...onPath, user_id: part < 5 ? id : 1 },
    { ...onRepository, team_id: id },
    { ...onRepository, user_id: part < 5 ? id : 1 },
  ].filter((row) => id !== 1 || part < 5 || row.user_id === null);
}

/** The scans that have no condition on their index, or no index. */
function wholeScans(plan: string): readonly string[] {
  const lines = plan.split("\n");
  return lines.filter((line, index) => {
    if (/\bSCAN\b(?! CONSTANT)|AUTOMATIC|Seq Scan/.test(line)) return true;
    return /Index (Only )?Scan/.test(line) && !/Index Cond/.test(lines[index + 1] ?? "");
  });
}

eachDatabase((open) => {
  test("finds somebody's rights by indexes alone, in one statement", async (t) => {
    const sent: string[] = [];
    const database = await open(t, { onQuery: (text) => sent.push(text) });
    await database.transaction(fill);
    for (const [name, ask] of Object.entries(questions)) {
      sent.length = 0;
      await ask(database.read);
      if (name !== "what is listed") assert.equal(sent.length, 1, name);
      const statements = [...sent];
      const slow = await database.transaction(async (tx) => {
        await planAsForManyRows(tx);
        const found: string[] = [];
        for (const text of statements) {
          const count = text.match(/\?|\$\d+/g)?.length ?? 0;
          const parameters = Array.from({ length: count }, () => null);
          const plan = await explainPlan(tx, { sql: text, parameters });
          // A list is made of all of somebody's teams, and few of those are read one by one.
          const scans = wholeScans(plan).filter(
            (line) => name !== "what is listed" || !line.includes(" teams"),
          );
          if (scans.length > 0) found.push(`${name}:\n${plan}`);
        }
        return found;
      });
      assert.deepEqual(slow, []);
    }
  });

  test("who was granted much is asked for the repository in question only", async (t) => {
    const sent: string[] = [];
    const database = await open(t, { onQuery: (text) => sent.push(text) });
    await database.transaction(fill);
    sent.length = 0;
    await loadRights(database.read, asked);
    const [text = ""] = sent;
    const plan = await database.transaction(async (tx) => {
      await planAsForManyRows(tx);
      const parameters = Array.from({ length: text.match(/\?|\$\d+/g)?.length ?? 0 }, () => null);
      return explainPlan(tx, { sql: text, parameters });
    });
    const conditions = [/user_id.* AND .*repository_id/, /user_id.* AND .*prefix/, /team_id.* AND .*prefix/];
    for (const condition of conditions) assert.match(plan, condition);
  });

  test("who has what on a repository is found by the repository and its namespace", async (t) => {
    const database = await open(t);
    await database.transaction(fill);
    const { id } = await database.read
      .selectFrom("repositories")
      .select("id")
      .where("name", "=", "org7/app/1")
      .executeTakeFirstOrThrow();
    const repository = { id, namespaceId: 7, name: "org7/app/1" };
    const grants = await listGrantsNear(database.read, repository, { afterId: 0, limit: 100 });
    assert.equal(grants.filter(({ isPattern }) => !isPattern).length, 2);
    assert.ok(grants.every(({ place }) => place.startsWith("org7/app/")));
  });
});
