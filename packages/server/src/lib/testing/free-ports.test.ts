import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { freePorts } from "./free-ports.ts";

const run = promisify(execFile);
/** Few, and not of those that other tests are given. */
const range = { first: 31_400, count: 6 };

test("a port that one process was given no other one is given, nor the same one again, until it ends", {
  skip: process.platform !== "linux" && "the claim on a port is Linux's",
}, async () => {
  const others = await allThatAnotherGets();
  assert.ok(others.length > 0);
  assert.equal(new Set(others).size, others.length, "no port twice");
  const own = await allThatAreLeft();
  assert.deepEqual(inOrder(own), inOrder(others), "it has ended, and they are free again");
  assert.deepEqual(await allThatAnotherGets(), []);
});

async function allThatAreLeft(): Promise<readonly number[]> {
  const ports: number[] = [];
  for (;;) {
    const port = await freePorts(1, range).catch(() => undefined);
    if (port === undefined) return ports;
    ports.push(port);
  }
}

async function allThatAnotherGets(): Promise<readonly number[]> {
  const script = `
    const { freePorts } = await import(${JSON.stringify(join(import.meta.dirname, "free-ports.ts"))});
    const ports = [];
    try {
      for (;;) ports.push(await freePorts(1, ${JSON.stringify(range)}));
    } catch {
      console.log(JSON.stringify(ports));
    }`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script]);
  const ports: unknown = JSON.parse(stdout);
  assert.ok(Array.isArray(ports));
  return ports;
}

function inOrder(ports: readonly number[]): readonly number[] {
  return ports.toSorted((one, other) => one - other);
}
