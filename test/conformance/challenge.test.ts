import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseChallenge } from "./challenge.ts";

describe("parseChallenge", () => {
  it("reads realm, service and a scope with commas and spaces", () => {
    const header =
      'Bearer realm="https://h/token",service="s",scope="repository:a/b:pull,push repository:c:pull"';
    assert.deepEqual(parseChallenge(header), {
      realm: "https://h/token",
      service: "s",
      scope: "repository:a/b:pull,push repository:c:pull",
    });
  });

  it("takes an absent service and scope as empty", () => {
    assert.deepEqual(parseChallenge('bearer realm="/token"'), { realm: "/token", service: "", scope: "" });
  });

  it("fails the case when Bearer does not come first, or has no quoted realm", () => {
    for (const header of ['Basic realm="r"', "Bearer realm=unquoted", "Bearer", ""]) {
      assert.throws(() => parseChallenge(header), { status: "FAIL" });
    }
  });
});
