import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { pageParameters } from "../query-parameter.ts";
import { startTestServer } from "../testing/test-server.ts";
import { createOpenapiDocument } from "./create-openapi-document.ts";
import { openapiEndpoints } from "./openapi-routes.ts";

const reply = Type.Object({ name: Type.String() });
const handle = async () => ({ status: 204 });
const endpoints = [
  endpoint({
    id: "things.set",
    method: "PUT",
    path: "/api/v1/repositories/{name}/-/things/{thing}",
    can: { who: "repository", action: "admin" },
    summary: "Set a thing.",
    body: async () => Type.Object({ name: Type.Optional(Type.String()) }, { additionalProperties: false }),
    reply: async () => reply,
    handle,
  }),
  endpoint({
    id: "things.list",
    method: "GET",
    path: "/api/v1/things",
    can: { who: "identified" },
    summary: "Things.",
    query: [
      ...pageParameters,
      { name: "kind", form: "text", values: ["a"], isRepeatable: true, description: "of a kind" },
    ],
    reply: async () => reply,
    handle,
  }),
  endpoint({
    id: "v2.ping",
    method: "GET",
    path: "/v2/",
    can: { who: "public" },
    summary: "Ping.",
    handle,
  }),
];

test("says of each endpoint what it takes, gives, and who may call it", async () => {
  // Through JSON, as clients get it.
  const document = JSON.parse(JSON.stringify(await createOpenapiDocument(endpoints)));
  const set = document.paths["/api/v1/repositories/{name}/-/things/{thing}"].put;
  assert.equal(set.operationId, "things.set");
  assert.deepEqual(set.tags, ["things"]);
  assert.deepEqual(set["x-permission"], { who: "repository", action: "admin" });
  assert.deepEqual(
    set.parameters.map((one: { name: string }) => one.name),
    ["name", "thing"],
  );
  assert.deepEqual(Object.keys(set.responses), ["400", "401", "403", "404", "429", "503", "2XX", "default"]);
  const body = set.requestBody.content["application/json"].schema;
  assert.deepEqual(body, { $ref: "#/components/schemas/ThingsSetBody" });
  assert.deepEqual(document.components.schemas.ThingsSetBody, {
    type: "object",
    properties: { name: { type: "string" } },
    additionalProperties: false,
  });

  const list = document.paths["/api/v1/things"].get;
  assert.deepEqual(list.security, [{}, { basic: [] }, { bearer: [] }, { session: [] }]);
  assert.deepEqual(list.parameters.at(-1), {
    name: "kind",
    in: "query",
    required: false,
    description: "of a kind",
    schema: { type: "array", items: { type: "string", enum: ["a"] } },
  });
  // One schema, one name: the first endpoint's, by path.
  assert.equal(
    list.responses["2XX"].content["application/json"].schema.$ref,
    set.responses["2XX"].content["application/json"].schema.$ref,
  );

  const ping = document.paths["/v2/"].get;
  assert.deepEqual(ping.security, []);
  assert.equal(ping.responses["503"].$ref, "#/components/responses/OciErrors");
});

test("is served to anybody, and names itself", async (t) => {
  const all: readonly Endpoint[] = [...endpoints, ...openapiEndpoints(() => all)];
  const { port } = await startTestServer(t, all);
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/openapi.json`);
  assert.equal(answer.headers.get("content-type"), "application/json");
  const document: unknown = await answer.json();
  assert.match(JSON.stringify(document), /"operationId":"openapi.get"/);
});
