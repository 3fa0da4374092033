import assert from "node:assert/strict";
import { test } from "node:test";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { holdTransaction, untilWaiting } from "../../storage/database/testing/held-transaction.ts";
import {
  administrator,
  basic,
  bearer,
  field,
  insertRepository,
  password,
  sendJson,
  startIdentity,
  type TestIdentity,
  textField,
} from "../testing/start-identity.ts";
import { createUsageRecorder } from "./usage-recorder.ts";
import { addUsage } from "./usage-store.ts";

const ada = basic(administrator, password);
const collection = "/api/v1/issued-credentials";

async function start(t: Parameters<typeof startIdentity>[0], database: Parameters<typeof startIdentity>[1]) {
  const instance = await startIdentity(t, database);
  await instance.identity.createUser({ username: administrator, password, isAdmin: true });
  await insertRepository(instance, "acme/app");
  const made = await sendJson(instance, "POST", "/api/v1/organizations/acme/issuers", ada, {
    name: "vendor",
    repositories: ["acme/**"],
    actions: ["pull"],
  });
  const vendor = bearer(textField(await made.json(), "secret"));
  const issue = async (externalId: string, tier: string) => {
    const reply = await sendJson(instance, "POST", collection, vendor, { externalId, labels: { tier } });
    return textField(field(await reply.json(), "credential"), "id");
  };
  const idOf = async (publicId: string) => {
    const query = instance.database.read
      .selectFrom("access_tokens")
      .select("id")
      .where("public_id", "=", publicId);
    return (await query.executeTakeFirstOrThrow()).id;
  };
  const read = async (path: string): Promise<unknown> =>
    (await instance.fetch(`${collection}${path}`, { authorization: vendor })).json();
  return { instance, issue, idOf, read };
}

function served(accessTokenId: number | undefined, endpointId: string, bytes: number, more: object = {}) {
  return {
    endpointId,
    path: "/v2/{name}/x",
    repository: "acme/app",
    status: 200,
    bytesIn: 0,
    bytesOut: bytes,
    actor: {
      kind: "user",
      account: "issued",
      userId: 1,
      username: "x",
      isAdmin: false,
      isAuditor: false,
      credential: "bearer-token",
      accessTokenId,
      limits: undefined,
      credentialScopes: undefined,
    },
    ...more,
  } as const;
}

const recorderOf = (instance: TestIdentity, database = instance.database) =>
  createUsageRecorder({
    database,
    clock: instance.clock,
    log: {
      error() {},
      warn() {},
      info() {},
      debug() {},
      child: () => {
        throw new Error("no child");
      },
    },
  });

eachDatabase((open) => {
  test("counts pulls, pushes and bytes by credential, day and repository, and sums them by label", async (t) => {
    const { instance, issue, idOf, read } = await start(t, await open(t));
    const [free, other, trial] = [
      await issue("1", "free"),
      await issue("2", "free"),
      await issue("3", "trial"),
    ];
    const recorders = [recorderOf(instance), recorderOf(instance)];
    for (const recorder of recorders) {
      recorder.record(served(await idOf(free), "manifests.get", 100));
      recorder.record(served(await idOf(free), "blobs.get", 1_000));
      recorder.record(served(await idOf(free), "manifests.head", 0));
      recorder.record(served(await idOf(free), "manifests.get", 50, { status: 404 }));
      recorder.record(served(await idOf(free), "me.get", 50, { path: "/api/v1/me" }));
      recorder.record(served(undefined, "manifests.get", 50));
      recorder.record(served(await idOf(other), "manifests.put", 10, { status: 201, bytesIn: 500 }));
      recorder.record(served(await idOf(trial), "manifests.get", 7, { repository: "acme/db" }));
    }
    assert.deepEqual(
      field(await read(`/${free}/usage`), "usage"),
      [],
      "nothing is written while it is counted",
    );
    await Promise.all(recorders.map((recorder) => recorder.stop()));
    const day = new Date(instance.clock.nowMs()).toISOString().slice(0, 10);
    assert.deepEqual(await read(`/${free}/usage`), {
      usage: [{ day, repository: "acme/app", pulls: 2, pushes: 0, bytesOut: 2_200, bytesIn: 0 }],
      total: { pulls: 2, pushes: 0, bytesOut: 2_200, bytesIn: 0 },
    });
    assert.deepEqual(field(await read("/-/usage?label=tier=free"), "total"), {
      pulls: 2,
      pushes: 2,
      bytesOut: 2_220,
      bytesIn: 1_000,
    });
    assert.deepEqual(field(await read("/-/usage"), "total"), {
      pulls: 4,
      pushes: 2,
      bytesOut: 2_234,
      bytesIn: 1_000,
    });
    assert.deepEqual(field(await read(`/${free}/usage?from=2001-01-01&to=2001-02-01`), "usage"), []);
    const bad = await instance.fetch(`${collection}/${free}/usage?from=2001-13-01`, { authorization: ada });
    assert.equal(bad.status, 403);
  });

  test("keeps what it could not write, and passes over credentials that are gone", async (t) => {
    const { instance, issue, idOf, read } = await start(t, await open(t));
    const [kept, gone] = [await issue("1", "free"), await issue("2", "free")];
    let isDown = true;
    const recorder = recorderOf(instance, {
      ...instance.database,
      transaction: (work, options) =>
        isDown ? Promise.reject(new Error("no writing today")) : instance.database.transaction(work, options),
    });
    recorder.record(served(await idOf(kept), "manifests.get", 1));
    recorder.record(served(await idOf(gone), "manifests.get", 1));
    await recorder.flush();
    recorder.record(served(await idOf(kept), "manifests.get", 1));
    isDown = false;
    await instance.database.transaction((tx) =>
      tx.deleteFrom("access_tokens").where("public_id", "=", gone).execute(),
    );
    await recorder.stop();
    assert.equal(field(field(await read(`/${kept}/usage`), "total"), "pulls"), 2);
  });

  // On SQLite write transactions run one after the other.
  if (open.engine === "sqlite") return;

  test("instances that write the same counts down in another order do not wait for each other crosswise", async (t) => {
    const database = await open(t);
    const { issue, idOf } = await start(t, database);
    const accessTokenId = await idOf(await issue("1", "gold"));
    const counts = { accessTokenId, day: 1, pulls: 1, pushes: 0, bytesOut: 0, bytesIn: 0 };
    let tries = 0;
    const write = (...repositories: readonly string[]) =>
      database.transaction((tx) => {
        tries += 1;
        return addUsage(
          tx,
          repositories.map((repository) => ({ ...counts, repository })),
        );
      });
    await write("a", "b", "c");
    const letGo = await holdTransaction(database, (tx) => addUsage(tx, [{ ...counts, repository: "b" }]));
    const one = write("a", "b", "c");
    await untilWaiting(database, 1);
    const other = write("c", "a");
    await untilWaiting(database, 2);
    await letGo();
    await Promise.all([one, other]);
    assert.equal(tries, 3, "nobody had to begin anew");
  });
});
