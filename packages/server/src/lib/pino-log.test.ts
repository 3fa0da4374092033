import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog } from "./pino-log.ts";

function capture(format: "json" | "text", level: "info" | "debug" = "info") {
  const lines: string[] = [];
  const log = createLog({ level, format, destination: { write: (line) => void lines.push(line) } });
  return { log, lines };
}

test("writes one JSON line an entry, with level and time, and what a child adds", () => {
  const { log, lines } = capture("json");
  log.child({ requestId: "r1" }).warn({ status: 500 }, "something happened");
  log.debug({}, "too little to tell");
  assert.equal(lines.length, 1);
  const entry: unknown = JSON.parse(lines[0] ?? "");
  assert.partialDeepStrictEqual(entry, {
    level: "warn",
    requestId: "r1",
    status: 500,
    msg: "something happened",
  });
});

test("never writes a secret, at the top or one level down", () => {
  const { log, lines } = capture("json");
  log.info({ password: "hunter2", headers: { authorization: "Bearer hunter2" }, token: "hunter2" }, "x");
  assert.doesNotMatch(lines.join(""), /hunter2/);
});

test("writes text for a person, errors with their stack", () => {
  const { log, lines } = capture("text");
  log.error({ error: new Error("broken pipe"), path: "/a b" }, "it failed");
  assert.match(lines[0] ?? "", /error it failed/);
  assert.match(lines[0] ?? "", /path="\/a b"/);
  assert.match(lines[0] ?? "", /Error: broken pipe\n\s+at /);
});
