import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpenapiDocument } from "../http/openapi/create-openapi-document.ts";
import { isNamespaceName } from "../identity/organizations/organization-name.ts";
import { isReservedName } from "../identity/users/username.ts";
import { describeEndpoints } from "./describe-endpoints.ts";

test("gives every endpoint an id and an address of its own", async () => {
  const endpoints = await describeEndpoints();
  const ids = endpoints.map(({ id }) => id);
  assert.deepEqual(ids, [...new Set(ids)]);
  const addresses = endpoints.map(({ method, path }) => `${method} ${path.replaceAll(/\{\w+\}/g, "{}")}`);
  assert.deepEqual(addresses, [...new Set(addresses)]);
  // OpenAPI: paths that differ in the names of their parameters only are the same path.
  const paths = [...new Set(endpoints.map(({ path }) => path))];
  const forms = paths.map((path) => path.replaceAll(/\{\w+\}/g, "{}"));
  assert.deepEqual(
    paths.filter((_, index) => forms.indexOf(forms[index] ?? "") !== index),
    [],
  );
});

test("gives a document in which every reference leads somewhere", async () => {
  const text = JSON.stringify(await createOpenapiDocument(await describeEndpoints()));
  const document: unknown = JSON.parse(text);
  for (const [, path = ""] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    const found = path.split("/").reduce<unknown>((at, key) => Object(at)[key], document);
    assert.ok(found !== undefined, path);
  }
});

test("nobody can be named like an address that the server answers, nor like the registry itself", async () => {
  const paths = (await describeEndpoints()).map(({ path }) => path.split("/").slice(1));
  const isParameter = (part: string | undefined) => part?.startsWith("{") === true;
  const firsts = paths.map(([first = ""]) => first);
  // Where a name stands in some path, a word in its place in another would hide whoever is called so.
  const besideNames = paths.flatMap((parts) =>
    parts.filter((part, at) => {
      const before = parts.slice(0, at).join("/");
      const isNamePlace = paths.some(
        (other) =>
          ["{name}", "{namespace}", "{username}"].includes(other[at] ?? "") &&
          other.slice(0, at).join("/") === before,
      );
      return isNamePlace && !isParameter(part);
    }),
  );
  const words = [...firsts, ...besideNames, "system", "anonymous", "garbage-collector", "entrepot"];
  const free = words.filter((word) => isNamespaceName(word) && !isReservedName(word, "library"));
  assert.deepEqual([...new Set(free)], []);
  assert.ok(firsts.includes("api") && firsts.includes("account"), "the list is what it should be");
});

/** They only end what somebody has, or what they have themselves: who sees a browser in wrong hands must not be slowed down. */
const endsAtOnce = new Set([
  "access-tokens.revoke",
  "access-tokens.revoke-secret",
  "default-grants.delete",
  "elevations.end",
  "garbage-collection.release",
  "grants.remove-for-team",
  "grants.remove-for-user",
  "invitations.decline",
  "invitations.revoke",
  "issued-credentials.revoke",
  "issued-credentials.revoke-by-label",
  "issued-credentials.revoke-secret",
  "namespace-grants.remove",
  "reserved-names.remove",
  "robots.revoke-secret",
  "session.end",
  "sessions.end",
  "sessions.end-all",
  "sessions.end-own",
  "sessions.end-own-others",
  "sign-in-providers.team-bindings.remove",
  "system-trust-rules.delete",
  "team-members.remove",
  "trust-rules.delete",
  "users.access-tokens.revoke",
]);

test("whoever deletes or renames something, or takes second factors away, has signed in lately", async () => {
  const endpoints = (await describeEndpoints()).filter(({ path }) => path.startsWith("/api/v1/"));
  const isDangerous = ({ id, method }: { readonly id: string; readonly method: string }) =>
    method === "DELETE" || /rename|transfer|mfa\.(?:reset|require)/.test(id);
  const open = endpoints
    .filter((endpoint) => isDangerous(endpoint) && endpoint.needsRecentSignIn !== true)
    .map(({ id }) => id);
  assert.deepEqual(
    open.filter((id) => !endsAtOnce.has(id)),
    [],
  );
  const ids = new Set(endpoints.map(({ id }) => id));
  assert.deepEqual(
    [...endsAtOnce].filter((id) => !ids.has(id)),
    [],
    "no word for what is not there",
  );
});
