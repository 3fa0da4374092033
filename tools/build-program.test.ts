import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { before, describe, it, type TestContext } from "node:test";
import { promisify } from "node:util";
import { buildProgram } from "./build-program.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "..");

describe("the built program", () => {
  before(() => buildProgram());

  it("can be made several times at once", async (t) => {
    const folder = await ownFolder(t);
    await Promise.all([buildProgram(folder), buildProgram(folder), buildProgram(folder)]);
    assert.deepEqual(globSync(`${folder}.*`), [], "nothing is left over");
    assert.ok(existsSync(join(folder, "server.js")));
  });

  it("is made anew when a file of it is gone", async (t) => {
    const folder = await ownFolder(t);
    await buildProgram(folder);
    await rm(join(folder, "entrepot.js"));
    await buildProgram(folder);
    assert.ok(existsSync(join(folder, "entrepot.js")));
  });

  it("keeps what a new build has replaced for a day, as servers that run may load it still", async (t) => {
    const folder = await ownFolder(t);
    await mkdir(join(folder, "parts"), { recursive: true });
    const twoDaysAgo = new Date(Date.now() - 2 * 86_400_000);
    for (const name of ["replaced-now.js", "replaced-long-ago.js"]) {
      await writeFile(join(folder, "parts", name), "");
      await utimes(join(folder, "parts", name), twoDaysAgo, twoDaysAgo);
    }
    await writeFile(join(folder, ".stamp"), "other sources\nparts/replaced-now.js");
    await buildProgram(folder);
    assert.ok(existsSync(join(folder, "parts/replaced-now.js")));
    assert.ok(!existsSync(join(folder, "parts/replaced-long-ago.js")));
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

/** Beside the packages, so that what is built there would find them. */
async function ownFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(root, "node_modules/.built-by-a-test-"));
  t.after(() => rm(folder, { recursive: true }));
  return join(folder, "dist");
}
