import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Database } from "../../../storage/database/database.ts";
import { startHouse } from "../../testing/start-house.ts";
import { insertRepository } from "../../testing/start-identity.ts";
import { startIssuer } from "./oidc-issuer.ts";

export const audience = "https://registry.example.org";
/** What a job of the forge says of itself. */
export const github = {
  sub: "repo:octo/app:environment:production",
  repository: "octo/app",
  ref: "refs/heads/main",
  aud: audience,
  jti: "one",
};
export const rulesOf = "/api/v1/organizations/acme/trust-rules";

/** Two organizations with a robot each, an issuer, and a rule of the first that trusts it (not made yet). */
export async function startFederation(t: TestContext, database: Database) {
  const house = await startHouse(t, database, ["olga", "oscar"]);
  const { instance } = house;
  const issuer = await startIssuer(t, instance.clock);
  await house.as("olga", "POST", "/api/v1/organizations", { name: "acme" });
  await house.as("oscar", "POST", "/api/v1/organizations", { name: "evil" });
  await insertRepository(instance, "acme/app");
  await insertRepository(instance, "acme/other");
  for (const [namespace, username] of [
    ["acme", "acme+ci"],
    ["evil", "evil+ci"],
  ] as const) {
    await insertRobot(database, namespace, username);
  }
  for (const name of ["app", "other"]) {
    const path = `/api/v1/repositories/acme/${name}/-/grants/users/acme+ci`;
    assert.equal((await house.as("ada", "PUT", path, { role: "write" })).status, 200);
  }
  const rule = {
    name: "github",
    issuer: issuer.issuer,
    certificateAuthority: issuer.certificateAuthority,
    audience,
    claims: [
      { claim: "repository", equals: "octo/app" },
      { claim: "ref", matches: "refs/heads/*" },
    ],
    subject: "acme+ci",
  };
  const exchange = (token: string, more: Record<string, string> = {}) =>
    instance.fetch("/api/v1/federation/token", {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
        subject_token: token,
        subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
        rule: "acme/github",
        ...more,
      }),
    });
  return { house, instance, issuer, rule, exchange };
}

async function insertRobot(database: Database, namespace: string, username: string): Promise<void> {
  await database.transaction(async (tx) => {
    const { id } = await tx
      .selectFrom("namespaces")
      .select("id")
      .where("name", "=", namespace)
      .executeTakeFirstOrThrow();
    await tx
      .insertInto("users")
      .values({
        username,
        kind: "robot",
        namespace_id: id,
        password_hash: null,
        is_admin: 0,
        is_disabled: 0,
        created_at_ms: 0,
      })
      .execute();
  });
}
