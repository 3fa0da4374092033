import assert from "node:assert/strict";
import { test } from "node:test";
import { neighbourhoodOf } from "./neighbourhood-of.ts";

test("an IPv4 address lies in its /24, an IPv6 address in its /48", () => {
  assert.equal(neighbourhoodOf("192.0.2.7"), neighbourhoodOf("192.0.2.255"));
  assert.notEqual(neighbourhoodOf("192.0.2.7"), neighbourhoodOf("192.0.3.7"));
  assert.equal(neighbourhoodOf("2001:db8:1:2::3"), neighbourhoodOf("2001:0DB8:0001:ffff:1:2:3:4"));
  assert.notEqual(neighbourhoodOf("2001:db8:1::"), neighbourhoodOf("2001:db8:2::"));
  assert.notEqual(neighbourhoodOf("2001:db8::1"), neighbourhoodOf("2001:db9::1"));
});

test("what is no address lies nowhere", () => {
  for (const none of ["unknown", "", "192.0.2", "x:y:z:w"]) assert.equal(neighbourhoodOf(none), undefined);
});
