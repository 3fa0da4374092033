import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Actor } from "../access/actor.ts";
import type { RateLimits } from "./limit-rate.ts";
import { get, startTestServer } from "./testing/test-server.ts";

const none: RateLimits = { perAddress: 0, perAccount: 0, perCredential: 0 };

async function start(t: TestContext, limits: Partial<RateLimits>) {
  let nowMs = 1_000_000;
  const answer = async () => ({ status: 204 });
  const endpoints = [
    get("/v2/", answer, { can: { who: "identified" } }),
    get("/api/v1/x", answer, { can: { who: "identified" } }),
    get("/open", answer),
    get("/health/instance", answer),
  ];
  const server = await startTestServer(t, endpoints, {
    rateLimits: { ...none, ...limits },
    trustProxy: true,
    clock: { nowMs: () => nowMs },
    authenticate: async ({ authorization = "" }) => actor(authorization),
  });
  return {
    move: (byMs: number) => {
      nowMs += byMs;
    },
    send: async (path: string, from = "192.0.2.1", authorization = "1") => {
      const headers = { "x-forwarded-for": from, authorization };
      const reply = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers });
      return { reply, text: await reply.text() };
    },
  };
}

/** "userId tokenId limit". */
function actor(authorization: string): Actor {
  const [userId = 0, accessTokenId, maxRequestsPerMinute] = authorization.split(" ").map(Number);
  return {
    kind: "user",
    account: "person",
    userId,
    username: `user${userId}`,
    isAdmin: false,
    isAuditor: false,
    credential: accessTokenId === undefined ? "password" : "access-token",
    accessTokenId,
    limits: undefined,
    credentialScopes: undefined,
    useLimits: { maxPullsPerHour: undefined, maxRequestsPerMinute },
  };
}

test("limits an address, and tells how much is left and when to come again", async (t) => {
  const { send, move } = await start(t, { perAddress: 3 });
  const { reply } = await send("/open");
  assert.equal(reply.headers.get("ratelimit-policy"), '"address";q=3;w=60');
  assert.equal(reply.headers.get("ratelimit"), '"address";r=2;t=20');
  await send("/v2/");
  await send("/v2/");
  const refused = await send("/v2/");
  assert.equal(refused.reply.status, 429);
  assert.equal(refused.reply.headers.get("retry-after"), "20");
  assert.match(refused.text, /"code":"TOOMANYREQUESTS"/);
  assert.equal((await send("/v2/", "192.0.2.2")).reply.status, 204, "somebody else is not concerned");
  assert.equal((await send("/health/instance")).reply.status, 204, "nor is whoever watches the server");
  move(20_000);
  assert.equal((await send("/v2/")).reply.status, 204);
});

test("takes an IPv6 network for one address", async (t) => {
  const { send } = await start(t, { perAddress: 1 });
  assert.equal((await send("/open", "2001:db8:0:1::1")).reply.status, 204);
  assert.equal((await send("/open", "2001:db8:0:1:ffff::2")).reply.status, 429);
  assert.equal((await send("/open", "2001:db8:0:2::1")).reply.status, 204);
});

test("limits an account whatever it shows, and a credential by itself", async (t) => {
  const { send } = await start(t, { perAccount: 3, perCredential: 2 });
  assert.equal((await send("/api/v1/x", "192.0.2.1", "1 7")).reply.status, 204);
  assert.equal((await send("/api/v1/x", "192.0.2.2", "1 7")).reply.status, 204);
  const third = await send("/api/v1/x", "192.0.2.3", "1 7");
  assert.equal(third.reply.status, 429);
  assert.match(third.text, /this credential/);
  const other = await send("/api/v1/x", "192.0.2.1", "1 8");
  assert.equal(other.reply.status, 429);
  assert.match(other.text, /this account/);
  assert.equal((await send("/api/v1/x", "192.0.2.1", "2 9")).reply.status, 204);
});

test("says nothing of limits where there are none", async (t) => {
  const { send } = await start(t, {});
  assert.equal((await send("/open")).reply.headers.get("ratelimit"), null);
});

test("a credential may have a lower limit of its own, and never a higher one", async (t) => {
  const { send } = await start(t, { perCredential: 3 });
  const statuses = async (authorization: string, times: number) => {
    const all: number[] = [];
    for (let each = 0; each < times; each += 1) {
      all.push((await send("/v2/", "192.0.2.1", authorization)).reply.status);
    }
    return all;
  };
  assert.deepEqual(await statuses("1 7 2", 3), [204, 204, 429]);
  assert.deepEqual(await statuses("1 8 9", 4), [204, 204, 204, 429]);
});
