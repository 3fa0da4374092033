import assert from "node:assert/strict";
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
} from "./start-identity.ts";

export const ada = basic(administrator, password);
export const collection = "/api/v1/issued-credentials";
export const issuersOfAcme = "/api/v1/organizations/acme/issuers";
export const box = { repositories: ["acme/free/**"], actions: ["pull"] };
export const hourMs = 3_600_000;

export interface World extends TestIdentity {
  readonly vendor: string;
}

/** An organization with a free tier and something else, and an issuer for the free tier. */
export async function startIssuer(
  t: Parameters<typeof startIdentity>[0],
  database: Parameters<typeof startIdentity>[1],
  more: object = {},
): Promise<World> {
  const instance = await startIdentity(t, database, { trustProxy: true });
  await instance.identity.createUser({ username: administrator, password, isAdmin: true });
  for (const name of ["acme/free/app", "acme/free/db", "acme/paid/app"])
    await insertRepository(instance, name);
  await insertRepository(instance, "other/open", "public");
  const reply = await sendJson(instance, "POST", issuersOfAcme, ada, { name: "vendor", ...box, ...more });
  assert.equal(reply.status, 201, await reply.clone().text());
  return { ...instance, vendor: bearer(textField(await reply.json(), "secret")) };
}

export async function issue(
  world: World,
  body: object,
  status = 201,
): Promise<{ id: string; username: string; secret: string; value: unknown }> {
  const reply = await sendJson(world, "POST", collection, world.vendor, body);
  const text = await reply.text();
  assert.equal(reply.status, status, text);
  const value: unknown = JSON.parse(text);
  if (status >= 400) return { id: "", username: "", secret: "", value };
  const credential = field(value, "credential");
  const secret = field(value, "secret");
  return {
    id: textField(credential, "id"),
    username: textField(credential, "username"),
    secret: typeof secret === "string" ? secret : "",
    value,
  };
}

export const probe = async (
  world: TestIdentity,
  repository: string,
  authorization: string,
  action = "pull",
) => (await world.fetch(`/v2/${repository}/probe/${action}`, { authorization })).status;

export const patchIssuer = (world: World, body: object) =>
  sendJson(world, "PATCH", `${issuersOfAcme}/vendor`, ada, body);
