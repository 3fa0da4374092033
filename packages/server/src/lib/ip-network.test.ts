import assert from "node:assert/strict";
import { test } from "node:test";
import { isInNetworks, parseIpNetwork } from "./ip-network.ts";

const inside = (network: string, address: string) => isInNetworks([parseIpNetwork(network)], address);

test("an IPv4 network holds its first and its last address, and no neighbour", () => {
  assert.equal(inside("10.1.0.0/16", "10.1.0.0"), true);
  assert.equal(inside("10.1.0.0/16", "10.1.255.255"), true);
  assert.equal(inside("10.1.0.0/16", "10.0.255.255"), false);
  assert.equal(inside("10.1.0.0/16", "10.2.0.0"), false);
  assert.equal(inside("0.0.0.0/0", "203.0.113.9"), true);
  assert.equal(inside("0.0.0.0/0", "2001:db8::1"), false);
});

test("what lies beyond the prefix does not count, and an address is a network of one", () => {
  assert.equal(inside("10.1.2.3/8", "10.255.0.1"), true);
  assert.equal(inside("192.0.2.7", "192.0.2.7"), true);
  assert.equal(inside("192.0.2.7", "192.0.2.8"), false);
  assert.equal(inside("2001:db8::7", "2001:0db8:0:0::0007"), true);
});

test("IPv6 networks, however they are written", () => {
  assert.equal(inside("2001:db8::/32", "2001:db8:ffff::1"), true);
  assert.equal(inside("2001:db8::/32", "2001:db9::"), false);
  assert.equal(inside("::1", "0:0:0:0:0:0:0:1"), true);
  assert.equal(inside("fe80::/10", "fe80::1%eth0"), true);
  assert.equal(inside("::/0", "192.0.2.1"), false, "an IPv4 address is in no IPv6 network");
  assert.equal(inside("64:ff9b::/96", "64:ff9b::192.0.2.1"), true);
});

test("an IPv4 address that comes in its IPv6 form is the IPv4 address", () => {
  assert.equal(inside("192.0.2.0/24", "::ffff:192.0.2.9"), true);
  assert.equal(inside("192.0.2.0/24", "::ffff:c000:209"), true);
  assert.equal(inside("192.0.2.0/24", "::ffff:192.0.3.9"), false);
  assert.equal(inside("::ffff:192.0.2.0/120", "192.0.2.9"), true);
  assert.equal(inside("::ffff:0:0/96", "192.0.2.9"), true);
});

test("text that is no address lies in no network, not even in all", () => {
  for (const text of ["", "unknown", "localhost", "192.0.2", "192.0.2.1.1", "0x7f.0.0.1", "::1::"]) {
    assert.equal(isInNetworks([parseIpNetwork("0.0.0.0/0"), parseIpNetwork("::/0")], text), false, text);
  }
});

test("text that is no network is refused", () => {
  const bad = [
    "",
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/",
    "10.0.0.0/-1",
    "10.0.0.0/08",
    "10/8",
    "a/8",
    "10.0.0.0/8/8",
  ];
  for (const text of [...bad, "x".repeat(10_000)]) {
    assert.throws(() => parseIpNetwork(text), { code: "REQUEST_INVALID" }, text);
  }
});
