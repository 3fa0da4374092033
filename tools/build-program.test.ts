import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { globSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { before, describe, it } from "node:test";
import { promisify } from "node:util";
import { buildProgram } from "./build-program.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "..");

describe("the built program", () => {
  before(buildProgram);

  it("can be made several times at once", async () => {
    rmSync(resolve(root, "dist/.stamp"));
    await Promise.all([buildProgram(), buildProgram(), buildProgram()]);
    assert.deepEqual(globSync("dist.*", { cwd: root }), [], "nothing is left over");
  });

  it("can load every part of itself", async () => {
    const parts = globSync("dist/parts/*.js", { cwd: root });
    assert.ok(parts.length > 50, `${parts.length} parts`);
    const script = "for (const part of process.argv.slice(1)) await import(`${process.cwd()}/${part}`);";
    await run(process.execPath, ["--input-type=module", "-e", script, ...parts], { cwd: root });
  });

  it("starts as a server and as a command", async () => {
    const server = await run(process.execPath, ["tools/start.mjs", "--help"], { cwd: root });
    assert.match(server.stdout, /^Usage: npm start/);
    const cli = await run(process.execPath, ["packages/cli/bin/entrepot.mjs", "--version"], { cwd: root });
    assert.match(cli.stdout, /^\d+\.\d+\.\d+\n$/);
  });

  it("brings its data files along", () => {
    assert.equal(globSync("dist/parts/common-passwords-*.bin", { cwd: root }).length > 0, true);
  });
});
