import { execFile, execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");

/** Why the program as it was cannot be had here; undefined when it can. */
export function missingVersion(commit: string): string | undefined {
  try {
    execFileSync("git", ["cat-file", "-e", `${commit}^{commit}`], { cwd: root, stdio: "ignore" });
    return undefined;
  } catch {
    return `the history of the repository is not here, and with it not the version before (${commit}): git fetch --unshallow`;
  }
}

/** Unpacks the program as it was at a commit, with the packages of others as they are now; tells its folder, which goes with the test. */
export async function unpackVersion(t: TestContext, commit: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-earlier-"));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  const archive = join(folder, "archive.tar");
  await run("git", ["archive", "-o", archive, commit, "packages", "package.json"], { cwd: root });
  await run("tar", ["-xf", archive, "-C", folder]);
  const modules = join(folder, "node_modules");
  await mkdir(join(modules, "@entrepot"), { recursive: true });
  for (const name of await readdir(join(root, "node_modules")))
    if (name !== "@entrepot") await symlink(join(root, "node_modules", name), join(modules, name));
  for (const name of await readdir(join(folder, "packages")))
    await symlink(join(folder, "packages", name), join(modules, "@entrepot", name));
  return folder;
}
