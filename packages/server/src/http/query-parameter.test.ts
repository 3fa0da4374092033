import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "../lib/app-error.ts";
import { checkQuery, pageParameters, type QueryParameter } from "./query-parameter.ts";

const parameters: readonly QueryParameter[] = [
  ...pageParameters,
  { name: "scope", form: "text", isRepeatable: true, maxLength: 5, description: "" },
  { name: "dryRun", form: "boolean", description: "" },
  { name: "state", form: "text", values: ["open", "closed"], description: "" },
];

test("takes what is of the declared form, and what nobody declared", () => {
  for (const query of [
    "",
    "n=0&last=acme/x",
    "scope=a&scope=b",
    "dryRun=true",
    "state=open",
    "other=1&other=2",
    "last=",
  ]) {
    assert.doesNotThrow(() => checkQuery(parameters, new URLSearchParams(query)), query);
  }
});

test("refuses what is not, and says which parameter and why", () => {
  const cases: Readonly<Record<string, RegExp>> = {
    "n=-1": /parameter n must be a whole number/,
    "n=": /parameter n must be a whole number/,
    "n=1&n=2": /parameter n is there more than once/,
    "scope=abcdef": /parameter scope is longer than 5 characters/,
    "dryRun=yes": /parameter dryRun must be true or false/,
    "state=ajar": /parameter state must be one of open, closed/,
  };
  for (const [query, message] of Object.entries(cases)) {
    assert.throws(
      () => checkQuery(parameters, new URLSearchParams(query)),
      (error) => error instanceof AppError && error.code === "REQUEST_INVALID" && message.test(error.message),
      query,
    );
  }
  const required: QueryParameter = { name: "id", form: "text", isRequired: true, description: "" };
  assert.throws(() => checkQuery([required], new URLSearchParams("")), /parameter id is missing/);
});
