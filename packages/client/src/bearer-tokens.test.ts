import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Challenge } from "@entrepot/oci/challenge";
import { realmOf } from "./bearer-tokens.ts";

const challenge = (realm: string): Challenge => ({ scheme: "bearer", parameters: { realm } });

describe("the token service that a challenge names", () => {
  it("may be another host, but never one without encryption for a registry that has it", () => {
    const secure = new URL("https://registry.example.org");
    assert.equal(realmOf(challenge("https://auth.example.org/token"), secure).host, "auth.example.org");
    assert.throws(
      () => realmOf(challenge("http://auth.example.org/token"), secure),
      /not encrypted; nothing was sent there/,
    );
    const plain = new URL("http://localhost:5000");
    assert.equal(realmOf(challenge("http://localhost:5000/token"), plain).pathname, "/token");
  });

  it("must be an address of the web", () => {
    for (const realm of ["", "token", "file:///etc/passwd", "//auth.example.org"]) {
      assert.throws(
        () => realmOf(challenge(realm), new URL("http://localhost:5000")),
        /no usable token service/,
      );
    }
  });
});
