import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpenapiDocument } from "../http/openapi/create-openapi-document.ts";
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
