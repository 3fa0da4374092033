import assert from "node:assert/strict";
import { test } from "node:test";
import { withoutPassword } from "./target-address.ts";

test("an address is told without passwords, and with everything that tells it from another", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["postgres://anna:secret@db/entrepot", "postgres://anna@db/entrepot"],
    ["postgres://db/entrepot?user=anna&password=secret", "postgres://db/entrepot?user=anna"],
    ["postgres://db/e?sslmode=require&sslpassword=secret", "postgres://db/e?sslmode=require"],
    ["postgres:///entrepot?host=%2Frun%2Fone", "postgres:///entrepot?host=%2Frun%2Fone"],
    ["postgres://anna:secret@/entrepot?host=/run/two", "postgres://anna@/entrepot?host=%2Frun%2Ftwo"],
  ];
  for (const [address, told] of cases) {
    assert.equal(withoutPassword(address), told);
    assert.equal(withoutPassword(told), told, "and once more");
  }
  assert.throws(() => withoutPassword("postgres://a:secret@b:c"), {
    code: "REQUEST_INVALID",
    message: /^((?!secret).)*$/,
  });
});
