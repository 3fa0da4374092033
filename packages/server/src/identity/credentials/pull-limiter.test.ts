import assert from "node:assert/strict";
import { test } from "node:test";
import type { Actor } from "../../access/actor.ts";
import { AppError } from "../../lib/app-error.ts";
import { silentLog } from "../../lib/log.ts";
import type { Database } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { createMovableClock, type MovableClock } from "../testing/movable-clock.ts";
import { basic, bearer, field, getToken, sendJson, textField } from "../testing/start-identity.ts";
import { ada, collection, hourMs, issue, issuersOfAcme, startIssuer } from "../testing/start-issuer.ts";
import { createPullLimiter, type PullLimiter } from "./pull-limiter.ts";

function actor(accessTokenId: number, maxPullsPerHour: number | undefined): Actor {
  return {
    kind: "user",
    account: "issued",
    userId: 1,
    username: "x",
    isAdmin: false,
    isAuditor: false,
    credential: "access-token",
    accessTokenId,
    limits: undefined,
    credentialScopes: undefined,
    useLimits: { maxPullsPerHour, maxRequestsPerMinute: undefined },
  };
}

/** How many of `times` pulls go through, one after the other. */
async function pull(limiter: PullLimiter, who: Actor, times: number): Promise<number> {
  let taken = 0;
  for (let each = 0; each < times; each += 1) {
    try {
      await limiter.take(who);
      taken += 1;
    } catch (error) {
      assert.ok(error instanceof AppError && error.code === "TOOMANYREQUESTS");
    }
  }
  return taken;
}

async function waitSeconds(limiter: PullLimiter, who: Actor): Promise<number> {
  try {
    await limiter.take(who);
  } catch (error) {
    if (error instanceof AppError) return error.retryAfterSeconds ?? 0;
  }
  return 0;
}

async function tokens(database: Database, count: number): Promise<readonly number[]> {
  return database.transaction(async (tx) => {
    const user = await tx
      .insertInto("users")
      .values({ username: "x", password_hash: null, is_admin: 0, is_disabled: 0, created_at_ms: 0 })
      .returning("id")
      .executeTakeFirstOrThrow();
    const rows = Array.from({ length: count }, (_, index) => ({
      user_id: user.id,
      public_id: `p${index}`,
      name: `n${index}`,
      scopes: null,
      created_at_ms: 0,
      expires_at_ms: null,
      last_used_at_ms: null,
    }));
    const made = await tx.insertInto("access_tokens").values(rows).returning("id").execute();
    return made.map(({ id }) => id);
  });
}

const onTheHour = (clock: MovableClock) => clock.move(hourMs - (clock.nowMs() % hourMs));

eachDatabase((open) => {
  test("instances learn of each other's pulls, and one that starts knows what was pulled before", async (t) => {
    const database = await open(t);
    const clock = createMovableClock();
    onTheHour(clock);
    const [id = 0, other = 0] = await tokens(database, 2);
    const deps = { database, clock, log: silentLog };
    const [one, two] = [createPullLimiter(deps), createPullLimiter(deps)];
    const who = actor(id, 10);
    assert.equal(await pull(one, who, 6), 6);
    assert.equal(await pull(two, who, 3), 3, "nobody has told it of the others yet");
    await one.flush();
    await two.flush();
    await one.flush();
    assert.equal(await pull(one, who, 5), 1);
    assert.equal(await pull(one, actor(other, 10), 12), 10, "each credential has its own");
    await one.stop();
    await two.flush();
    assert.equal(await pull(two, who, 1), 0);
    const late = createPullLimiter(deps);
    assert.equal(await pull(late, who, 1), 0);
    const rows = await database.read
      .selectFrom("credential_pulls")
      .select(["access_token_id", "pulls"])
      .orderBy("access_token_id")
      .execute();
    assert.deepEqual(
      rows.map((row) => ({ ...row })),
      [
        { access_token_id: id, pulls: 10 },
        { access_token_id: other, pulls: 10 },
      ],
    );
  });

  test("writes nothing for a pull, and reads once", async (t) => {
    const database = await open(t);
    const [id = 0] = await tokens(database, 1);
    const limiter = createPullLimiter({ database, clock: createMovableClock(), log: silentLog });
    await limiter.take(actor(id, 100));
    assert.equal(limiter.take(actor(id, 100)), undefined, "answered at once");
    assert.equal(limiter.take(actor(id, undefined)), undefined);
    assert.deepEqual(await database.read.selectFrom("credential_pulls").selectAll().execute(), []);
  });

  test("says when to come again, and keeps its word as the hour fades", async (t) => {
    const database = await open(t);
    const clock = createMovableClock();
    onTheHour(clock);
    const [id = 0] = await tokens(database, 1);
    const limiter = createPullLimiter({ database, clock, log: silentLog });
    const who = actor(id, 10);
    clock.move(hourMs / 2);
    assert.equal(await pull(limiter, who, 11), 10);
    const first = await waitSeconds(limiter, who);
    assert.equal(first, 1_801, "until what was pulled begins to fade");
    clock.move(first * 1_000);
    assert.equal(await pull(limiter, who, 3), 1, "ten in the hour before, hardly faded");
    const second = await waitSeconds(limiter, who);
    assert.ok(second > 300 && second <= 361, `a tenth of an hour, not ${second} seconds`);
    clock.move(second * 1_000);
    assert.equal(await pull(limiter, who, 3), 1);
    clock.move(2 * hourMs);
    assert.equal(await pull(limiter, who, 11), 10);
  });

  test("counts again what could not be told, also of an hour that is over, and passes over credentials that are gone", async (t) => {
    const database = await open(t);
    const clock = createMovableClock();
    const [id = 0, gone = 0] = await tokens(database, 2);
    let fails = true;
    const flaky: Database = {
      ...database,
      read: database.read,
      transaction: (...args) =>
        fails ? Promise.reject(new Error("the database is away")) : database.transaction(...args),
    };
    const limiter = createPullLimiter({ database: flaky, clock, log: silentLog });
    await pull(limiter, actor(id, 10), 4);
    await pull(limiter, actor(gone, 10), 4);
    await limiter.flush();
    const hour = Math.floor(clock.nowMs() / hourMs);
    clock.move(hourMs);
    await limiter.flush();
    await pull(limiter, actor(id, 10), 2);
    await database.transaction((tx) => tx.deleteFrom("access_tokens").where("id", "=", gone).execute());
    fails = false;
    await limiter.flush();
    await limiter.stop();
    const rows = await database.read.selectFrom("credential_pulls").selectAll().orderBy("hour").execute();
    assert.deepEqual(
      rows.map((row) => ({ ...row })),
      [
        { access_token_id: id, hour, pulls: 4 },
        { access_token_id: id, hour: hour + 1, pulls: 2 },
      ],
    );
  });

  test("a credential of each kind is held to its limit, whatever it was exchanged for; looking counts nothing", async (t) => {
    const world = await startIssuer(t, await open(t), { maxPullsPerHour: 3 });
    const issued = await issue(world, { externalId: "1" });
    assert.equal(field(field(issued.value, "credential"), "maxPullsPerHour"), 3, "as much as the box has");
    const robot = await sendJson(world, "POST", "/api/v1/organizations/acme/robots", ada, {
      name: "ci",
      maxPullsPerHour: 3,
    });
    assert.equal(robot.status, 201, await robot.clone().text());
    const granted = await sendJson(
      world,
      "PUT",
      "/api/v1/repositories/acme/free/app/-/grants/users/acme+ci",
      ada,
      {
        role: "read",
      },
    );
    assert.ok(granted.ok, await granted.text());
    const token = await sendJson(world, "POST", "/api/v1/me/access-tokens", ada, {
      name: "mine",
      maxPullsPerHour: 3,
    });
    const status = async (authorization: string, method = "GET") =>
      (await world.fetch("/v2/acme/free/app/manifests/latest", { method, authorization })).status;
    const mine = textField(await token.json(), "secret");
    for (const [name, secret] of [
      [issued.username, issued.secret],
      ["acme+ci", textField(await robot.json(), "secret")],
      ["ada", mine],
    ] as const) {
      const narrow = bearer(await getToken(world, "repository:acme/free/app:pull", basic(name, secret)));
      assert.deepEqual(
        [
          await status(basic(name, secret)),
          await status(narrow),
          await status(narrow, "HEAD"),
          await status(narrow),
        ],
        [204, 204, 204, 204],
      );
      const refused = await world.fetch("/v2/acme/free/app/manifests/latest", { authorization: narrow });
      assert.equal(refused.status, 429);
      assert.ok(Number(refused.headers.get("retry-after")) > 0);
      assert.match(await refused.text(), /"code":"TOOMANYREQUESTS"/);
      assert.equal(await status(narrow, "HEAD"), 204);
    }
  });

  test("an issuer gives no more than its box has, and narrowing the box narrows what was given", async (t) => {
    const world = await startIssuer(t, await open(t), { maxPullsPerHour: 100 });
    await issue(world, { externalId: "1", maxPullsPerHour: 101 }, 403);
    await issue(world, { externalId: "1", maxPullsPerHour: 0 }, 400);
    const { id, username, secret, value } = await issue(world, { externalId: "1", maxPullsPerHour: 50 });
    assert.equal(field(field(value, "credential"), "maxPullsPerHour"), 50);
    const change = async (body: object) => {
      const reply = await sendJson(world, "PATCH", `${collection}/${id}`, world.vendor, body);
      return reply.status === 200 ? field(await reply.json(), "maxPullsPerHour") : reply.status;
    };
    assert.equal(await change({ maxPullsPerHour: 101 }), 403);
    assert.equal(await change({ maxPullsPerHour: null }), 100, "without one of its own, that of the box");
    assert.equal(await change({ maxPullsPerHour: 99 }), 99);
    assert.equal(await change({ description: "x" }), 99);
    const narrowed = await sendJson(world, "PATCH", `${issuersOfAcme}/vendor`, ada, { maxPullsPerHour: 1 });
    assert.equal(field(await narrowed.json(), "maxPullsPerHour"), 1);
    const authorization = basic(username, secret);
    const status = async () =>
      (await world.fetch("/v2/acme/free/app/manifests/latest", { authorization })).status;
    assert.deepEqual([await status(), await status()], [204, 429]);
  });

  test("a credential's own limit of requests holds where the server has none", async (t) => {
    const world = await startIssuer(t, await open(t));
    const { username, secret } = await issue(world, { externalId: "1", maxRequestsPerMinute: 2 });
    const authorization = basic(username, secret);
    const status = async () => (await world.fetch("/v2/acme/free/app/probe/pull", { authorization })).status;
    assert.deepEqual([await status(), await status(), await status()], [204, 204, 429]);
    world.clock.move(60_000);
    assert.equal(await status(), 204);
  });
});
