import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { loadConfig } from "../config/load-config.ts";
import type { Endpoint } from "../http/endpoint.ts";
import { answerOf, callerKinds, type GateAnswer } from "../http/openapi/caller-kinds.ts";
import { startTestServer, type TestServer } from "../http/testing/test-server.ts";
import { AppError } from "../lib/app-error.ts";
import { systemClock } from "../lib/clock.ts";
import { silentLog } from "../lib/log.ts";
import { createSecretBox } from "../lib/secret-box.ts";
import { createMemoryBlobStore } from "../storage/blob-store/memory/memory-blob-store.ts";
import type { Database } from "../storage/database/database.ts";
import { eachDatabase } from "../storage/database/testing/each-database.ts";
import { assembleAreas, idleProcess } from "./assemble-areas.ts";
import { gatherEndpoints } from "./gather-endpoints.ts";
import { assembleStores } from "./open-stores.ts";
import { type Callers, insertCallers, isCallerKind } from "./testing/insert-callers.ts";

/*
 * Every endpoint of the whole server × every kind of caller. What is expected follows from the permission that the endpoint declares, and from nothing
 * else; a permission that `answerOf` does not know fails.
 */

const kinds = Object.keys(callerKinds).filter(isCallerKind);

interface WholeServer {
  readonly endpoints: readonly Endpoint[];
  readonly callers: Callers;
  readonly server: TestServer;
  /** Ids of the endpoints whose handlers were asked. */
  readonly asked: Set<string>;
}

async function startWholeServer(
  t: TestContext,
  database: Database,
  handle: (endpoint: Endpoint) => Endpoint["handle"],
): Promise<WholeServer> {
  const config = await loadConfig({});
  const stores = assembleStores(config, silentLog, {
    database,
    blobs: createMemoryBlobStore(systemClock),
    clock: systemClock,
    secretBox: createSecretBox([Buffer.alloc(32, 1)]),
  });
  const endpoints = gatherEndpoints(config, assembleAreas(config, stores, idleProcess(silentLog)));
  const callers = await insertCallers(database);
  const asked = new Set<string>();
  const watched = endpoints.map((endpoint): Endpoint => {
    const work = handle(endpoint);
    return {
      ...endpoint,
      handle: (call, request) => {
        asked.add(endpoint.id);
        return work(call, request);
      },
    };
  });
  const server = await startTestServer(t, watched, {
    access: stores.access,
    // How a credential becomes an actor has tests of its own; here the actors themselves are what is varied.
    authenticate: async (headers) => {
      const kind = headers.authorization?.slice("Bearer ".length).replaceAll("-", " ") ?? "anonymous";
      if (isCallerKind(kind)) return callers.actors[kind];
      throw new AppError("UNAUTHORIZED", "no such caller");
    },
  });
  return { endpoints, callers, server, asked };
}

async function send(
  whole: WholeServer,
  endpoint: Endpoint,
  kind: (typeof kinds)[number],
  repository: string,
): Promise<{ readonly status: number; readonly text: string }> {
  const { namespace } = whole.callers.placeOf(kind);
  const path = endpoint.path
    .replace("{name}", repository)
    .replace("{namespace}", namespace)
    // Nothing that is there, so that nothing is found by those who may.
    .replaceAll(/\{\w+\}/g, "nobody");
  const hasBody = endpoint.body !== undefined && endpoint.method !== "GET";
  const reply = await fetch(`http://127.0.0.1:${whole.server.port}${path}`, {
    method: endpoint.method,
    redirect: "manual",
    headers: {
      ...(kind === "anonymous" ? {} : { authorization: `Bearer ${kind.replaceAll(" ", "-")}` }),
      ...(hasBody ? { "content-type": "application/json" } : {}),
    },
    ...(hasBody ? { body: "{}" } : {}),
  });
  return { status: reply.status, text: await reply.text() };
}

const statuses: Readonly<Record<GateAnswer, readonly number[]>> = {
  // 204 of the handler; 400 when it needs a body or query that the test does not know. Both come after the permission.
  passes: [204, 400],
  asks: [401],
  denied: [403],
};

eachDatabase((open) => {
  test("lets each kind of caller through to each endpoint as its permission says, and no other", async (t) => {
    const whole = await startWholeServer(t, await open(t), () => async () => ({ status: 204 }));
    const wrong: string[] = [];
    for (const endpoint of whole.endpoints) {
      for (const kind of kinds) {
        whole.asked.clear();
        const { status, text } = await send(whole, endpoint, kind, whole.callers.placeOf(kind).repository);
        const expected = answerOf(endpoint.can, kind);
        const isRight = statuses[expected].includes(status) && whole.asked.size === (status === 204 ? 1 : 0);
        if (!isRight)
          wrong.push(`${endpoint.id} for ${kind}: ${status} ${text.slice(0, 200)}, not ${expected}`);
      }
    }
    assert.deepEqual(wrong, []);
    assert.ok(whole.endpoints.length > 30);
  });

  test("never fails at what is not there, whoever asks", async (t) => {
    const whole = await startWholeServer(
      t,
      await open(t),
      (endpoint) => (call, request) => endpoint.handle(call, request),
    );
    const wrong: string[] = [];
    for (const endpoint of whole.endpoints) {
      for (const kind of kinds) {
        const { status, text } = await send(whole, endpoint, kind, "acme/nothing/here");
        const isExpected = status < 500 || endpoint.id.startsWith("health.");
        if (!isExpected) wrong.push(`${endpoint.id} for ${kind}: ${status} ${text}`);
        if (/\bat .*\.[jt]s:\d/.test(text))
          wrong.push(`${endpoint.id} for ${kind} shows where it failed: ${text}`);
      }
    }
    const failures = whole.server.lines
      .filter((line) => line.level === "error")
      .map((line) => line.fields["error"]);
    assert.deepEqual(wrong, [], failures.map(String).join("\n"));
  });
});
