import assert from "node:assert/strict";
import { test } from "node:test";
import { checkOpenFiles } from "./check-open-files.ts";

const allowed = { maxConnections: 10_000, maxRequestsInFlight: 1_000 };
const limits = (hard: string) => async () =>
  `Limit                     Soft Limit           Hard Limit           Units     \nMax processes             100                  100                  processes \nMax open files            1024                 ${hard}                files     \n`;

test("says how many files may be open, and what to do when they are too few", async () => {
  assert.match(await checkOpenFiles(allowed, limits("12200")), /^12200 files may be open/);
  await assert.rejects(checkOpenFiles(allowed, limits("12199")), {
    message:
      /^only 12199 files may be open, and 10000 connections .* LimitNOFILE.* or lower limits.maxConnections$/,
  });
  assert.match(await checkOpenFiles(allowed, limits("unlimited")), /nobody tells/);
  const elsewhere = async () => Promise.reject(new Error("no such file"));
  assert.match(await checkOpenFiles(allowed, elsewhere), /nobody tells/);
  assert.equal(typeof (await checkOpenFiles({ maxConnections: 1, maxRequestsInFlight: 1 })), "string");
});
