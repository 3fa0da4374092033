import assert from "node:assert/strict";
import { test } from "node:test";
import { byRegistry } from "../../activity/audit/record-audit.ts";
import type { Database, Tx } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { holdTransaction, untilWaiting } from "../../storage/database/testing/held-transaction.ts";
import { type House, startHouse } from "../testing/start-house.ts";
import { findUserByName } from "../users/user-store.ts";
import { applyStanding } from "./apply-standing.ts";
import { insertIdentity, lockIdentity, updateIdentity } from "./identity-store.ts";
import { insertProvider, type SignInProvider } from "./provider-store.ts";
import { lockStanding } from "./standing-store.ts";

const groups = ["bosses"];

/** A provider whose group makes administrators. */
function makeProvider(database: Database): Promise<SignInProvider> {
  return database.transaction(async (tx) => {
    const values = { name: "corp", displayName: "Corp", position: 0, isEnabled: true, secrets: undefined };
    const policy = { adminGroups: groups };
    const provider = await insertProvider(tx, { ...values, kind: "github", policy, settings: {} }, 0);
    assert.ok(provider !== undefined);
    return provider;
  });
}

/** Says that the user of that name is in these groups there. */
async function say(
  tx: Tx,
  provider: SignInProvider,
  username: string,
  inGroups: readonly string[],
): Promise<void> {
  const { id: userId = 0 } = (await findUserByName(tx, username)) ?? {};
  const of = { providerId: provider.id, subject: username };
  await insertIdentity(tx, { ...of, userId, username, email: undefined, isGoverning: false, nowMs: 0 });
  const [identity, user] = [await lockIdentity(tx, of), await lockStanding(tx, userId)];
  assert.ok(identity !== undefined && user !== undefined);
  await updateIdentity(tx, identity.id, { confirmedAtMs: 1 });
  await applyStanding(tx, provider, { identity, user, groups: inGroups }, byRegistry, 0);
}

async function administrators({ instance }: House): Promise<readonly string[]> {
  const { read } = instance.database;
  const rows = await read.selectFrom("users").select("username").where("is_admin", "=", 1).execute();
  return rows.map(({ username }) => username).toSorted();
}

eachDatabase((open) => {
  test("takes what a provider gave, but from the last administrator", async (t) => {
    const house = await startHouse(t, await open(t), ["bob"]);
    const { database } = house.instance;
    const provider = await makeProvider(database);
    for (const who of ["ada", "bob"]) await database.transaction((tx) => say(tx, provider, who, groups));
    assert.deepEqual(await administrators(house), ["ada", "bob"]);
    for (const who of ["bob", "ada"]) await database.transaction((tx) => say(tx, provider, who, []));
    assert.deepEqual(await administrators(house), ["ada"]);
  });

  // On SQLite write transactions run one after the other.
  if (open.engine === "sqlite") return;

  test("of the last two administrators that a provider knows no more at once, one stays", async (t) => {
    const house = await startHouse(t, await open(t), ["bob"]);
    const { database } = house.instance;
    const provider = await makeProvider(database);
    for (const who of ["ada", "bob"]) await database.transaction((tx) => say(tx, provider, who, groups));
    const letGo = await holdTransaction(database, (tx) => say(tx, provider, "ada", []));
    const losing = database.transaction((tx) => say(tx, provider, "bob", []));
    await untilWaiting(database, 1, losing);
    await letGo();
    await losing;
    assert.deepEqual(await administrators(house), ["bob"]);
  });

  test("what somebody gets by signing in while their identity is unlinked goes with it", async (t) => {
    const house = await startHouse(t, await open(t), ["bob"]);
    const { database } = house.instance;
    const provider = await makeProvider(database);
    await database.transaction((tx) => say(tx, provider, "bob", []));
    const { id } = await database.read.selectFrom("identities").select("id").executeTakeFirstOrThrow();
    const letGo = await holdTransaction(database, (tx) => say(tx, provider, "bob", groups));
    const unlinking = house.as("ada", "DELETE", `/api/v1/sign-in-providers/corp/identities/${id}`);
    await untilWaiting(database, 1, unlinking);
    await letGo();
    assert.equal((await unlinking).status, 204);
    assert.deepEqual(await administrators(house), ["ada"]);
  });
});
