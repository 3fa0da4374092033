import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Database } from "../../../storage/database/database.ts";
import {
  administrator,
  basic,
  insertRepository,
  password,
  sendJson,
  startIdentity,
  type TestIdentity,
  type TestIdentityOptions,
} from "../../testing/start-identity.ts";
import { signatureHeader, signMessage } from "../sign-message.ts";
import { type DecisionServer, pointSecret, startDecisionServer } from "./start-decision-server.ts";

export const ada = basic(administrator, password);
export const eve = basic("eve", "eve's password");

export interface World {
  readonly instance: TestIdentity;
  readonly server: DecisionServer;
}

/** One instance with a point for `syn*\/**`, and two repositories of it. */
export async function openWorld(
  t: TestContext,
  database: Database,
  settings: object = {},
  options: TestIdentityOptions = {},
): Promise<World> {
  const instance = await startIdentity(t, database, options);
  await instance.identity.createUser({ username: administrator, password, isAdmin: true });
  const server = await startDecisionServer(t, instance.clock);
  server.credentials.set("eve eve's password", "u-1").set("eves-token", "u-1");
  await addPoint(instance, {
    name: "syn",
    pattern: "syn*/**",
    url: server.url,
    secret: pointSecret,
    ...settings,
  });
  await insertRepository(instance, "syn1/a");
  await insertRepository(instance, "syn1/b");
  return { instance, server };
}

export async function addPoint(instance: TestIdentity, point: object): Promise<void> {
  const reply = await sendJson(instance, "POST", "/api/v1/decision-points", ada, point);
  assert.equal(reply.status, 201, await reply.text());
}

export async function statusOf(
  instance: TestIdentity,
  path: string,
  authorization?: string,
): Promise<number> {
  const reply = await instance.fetch(path, authorization === undefined ? {} : { authorization });
  await reply.arrayBuffer();
  return reply.status;
}

export const pullOf = (name: string) => `/v2/${name}/probe/pull`;
export const pushOf = (name: string) => `/v2/${name}/probe/push`;

/** A notice as the point sends it. */
export async function notify(
  instance: TestIdentity,
  action: string,
  body: object,
  { secret = pointSecret, kind }: { readonly secret?: string; readonly kind?: string } = {},
): Promise<number> {
  const path = `/api/v1/decision-points/syn/${action}`;
  const text = JSON.stringify(body);
  const signature = signMessage(secret, `notice ${kind ?? path}`, text, instance.clock.nowMs());
  const reply = await instance.fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", [signatureHeader]: signature },
    body: text,
  });
  await reply.arrayBuffer();
  return reply.status;
}
