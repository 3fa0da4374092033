import assert from "node:assert/strict";
import { test } from "node:test";
import { Type } from "typebox";
import { Compile } from "typebox/compile";
import { createBodyCheck } from "./check-body.ts";
import { get } from "./testing/test-server.ts";

const schema = Type.Object(
  { name: Type.String({ maxLength: 5 }), days: Type.Optional(Type.Integer({ minimum: 1 })) },
  { additionalProperties: false },
);
const checked = createBodyCheck(
  get("/x", async () => ({ status: 200 }), { method: "POST", body: async () => schema }),
);
assert.ok(checked !== undefined);
const check = (text: string | Uint8Array, type: string | undefined) => checked(Buffer.from(text), type);
const json = "application/json";
const form = "application/x-www-form-urlencoded";

test("an endpoint without a schema has no check", () => {
  assert.equal(createBodyCheck(get("/x", async () => ({ status: 200 }))), undefined);
});

test("schemas are compiled to code: interpreted they would be many times slower", () => {
  assert.equal(Compile(schema).IsAccelerated(), true);
});

test("gives the value of JSON and of forms", async () => {
  assert.deepEqual(await check('{"name":"a","days":3}', json), { name: "a", days: 3 });
  assert.deepEqual(await check('{"name":"ä"}', "Application/JSON; charset=utf-8"), { name: "ä" });
  assert.deepEqual(await check("name=a%20b", form), { name: "a b" });
});

test("says where a body is not of the documented form, and why", async () => {
  await assert.rejects(check('{"name":"too long"}', json), {
    code: "REQUEST_INVALID",
    message: /^the request body is not of the documented form: \/name must not have more than 5/,
  });
  await assert.rejects(check('{"days":0}', json), {
    message: /the body must have required.*\/days must be >= 1/,
  });
  await assert.rejects(check('{"name":"a","more":1}', json), { code: "REQUEST_INVALID" });
  await assert.rejects(check("name=a&more=1", form), { code: "REQUEST_INVALID" });
});

test("refuses what cannot be parsed", async () => {
  const bad: readonly (readonly [string | Uint8Array, string | undefined, RegExp])[] = [
    ["{", json, /not JSON/],
    ["", json, /not JSON/],
    ['{"name":"a"}', undefined, /as application\/json/],
    ['{"name":"a"}', "text/plain", /as application\/json/],
    [Uint8Array.of(0x22, 0xff, 0x22), json, /not UTF-8/],
    ["name=a&name=b", form, /"name" twice/],
  ];
  for (const [text, type, message] of bad) {
    await assert.rejects(check(text, type), { code: "REQUEST_INVALID", message });
  }
});

test("cannot be made to change what every object has", async () => {
  await assert.rejects(check('{"name":"a","__proto__":{"isAdmin":true}}', json), { code: "REQUEST_INVALID" });
  await assert.rejects(check("name=a&__proto__=x", form), { code: "REQUEST_INVALID" });
  assert.equal(Reflect.get({}, "isAdmin"), undefined);
});

test("stays quick and short however much is wrong", async () => {
  const many = JSON.stringify(
    Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`k${index}`, 1])),
  );
  const before = process.threadCpuUsage();
  await assert.rejects(check(many, json), (error: Error) => error.message.length < 600);
  // Of this thread, whatever else the machine does.
  assert.ok(process.threadCpuUsage(before).user < 2_000_000);
});
