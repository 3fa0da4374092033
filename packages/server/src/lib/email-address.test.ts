import assert from "node:assert/strict";
import { test } from "node:test";
import { domainOf, tryParseEmailAddress } from "./email-address.ts";

test("one address has one form", () => {
  for (const text of ["ann@example.org", " Ann@EXAMPLE.org ", "ANN@Example.Org\n"]) {
    assert.equal(tryParseEmailAddress(text), "ann@example.org");
  }
  assert.equal(tryParseEmailAddress("ann+ci@bücher.example"), "ann+ci@xn--bcher-kva.example");
  const address = tryParseEmailAddress("o'neil@mail.example.org");
  assert.ok(address);
  assert.equal(domainOf(address), "mail.example.org");
});

test("what could be more than one address, or a header, is none", () => {
  const none = [
    "",
    "@",
    "ann",
    "ann@",
    "@example.org",
    "ann@localhost",
    "ann@example.org, eve@evil.test",
    "ann@example.org\r\nBcc: eve@evil.test",
    "ann\n@example.org",
    "<ann@example.org>",
    '"ann"@example.org',
    "ann@example.org>",
    "a..b@example.org",
    ".a@example.org",
    "ann@[127.0.0.1]",
    "ann@127.0.0.1",
    "ann@exa mple.org",
    "ann@-example.org",
    "änn@example.org",
    "ann@eve@example.org",
    `${"a".repeat(65)}@example.org`,
    `a@${"a".repeat(64)}.org`,
    `a@${"a.".repeat(130)}org`,
    "ann@example.org\0",
  ];
  for (const text of none) assert.equal(tryParseEmailAddress(text), undefined, JSON.stringify(text));
});
