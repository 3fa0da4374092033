import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

/**
 * Writes a generated file; with `--check` on the command line only compares, and fails with a sentence when the committed file is not
 * what would be generated. `path` is relative to the repository.
 */
export async function writeGenerated(path: string, content: string): Promise<void> {
  const file = resolve(import.meta.dirname, "..", path);
  if (!process.argv.includes("--check")) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    console.log(`wrote ${path}`);
    return;
  }
  let committed: string | undefined;
  try {
    committed = readFileSync(file, "utf8");
  } catch {
    committed = undefined;
  }
  if (committed === content) return;
  console.error(`${path} is not what its source says: run \`npm run generate\` and commit the result`);
  process.exitCode = 1;
}
