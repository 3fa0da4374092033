import assert from "node:assert/strict";
import { test } from "node:test";
import { checkSuppliedSecret } from "./supplied-secret.ts";

test("takes secrets that programs and people make with care", () => {
  for (const secret of [
    "Zk3vQ9pLx7Tn2RbYw8Hd",
    "5f4dcc3b-5aa7-65d6-1d83-27deb882cf99",
    "horse-Battery!17_staple/grove",
    "~".concat("aB3$xY9&qW7*eR5^tU1!"),
  ]) {
    assert.doesNotThrow(() => checkSuppliedSecret(secret, "acme+vendor+customer"), secret);
  }
});

test("refuses what could be guessed, or typed nowhere, without repeating it", () => {
  const weak = [
    "",
    "short",
    "a".repeat(40),
    "abcabcabcabcabcabcabcabc",
    "abcdefghijklmnopqrstuvwxyz",
    "zyxwvutsrqponmlkjihgfedcba",
    "0123456789012345678901234",
    "passwordpassword123456789",
    "Password1234567890!!!",
    "qwertyuiopasdfghjklzxcvbnm",
    "correcthorsebatterystaple",
    "customer-vendor-customer-acme",
    "with a space in it and more",
    "with\ttab-and-some-more-text",
    "ünïcödé-characters-in-it-12",
    "entp_Zk3vQ9pLx7Tn2RbYw8Hd",
    "x".repeat(10_000),
  ];
  for (const secret of weak) {
    assert.throws(
      () => checkSuppliedSecret(secret, "acme+vendor+customer"),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, "REQUEST_INVALID", secret);
        if (secret.length > 8) assert.ok(!error.message.includes(secret));
        return true;
      },
      secret,
    );
  }
});
