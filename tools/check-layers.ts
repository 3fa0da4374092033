import { readFileSync } from "node:fs";
import { glob } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";

/**
 * Checks what the linter cannot express: folders of the server import only folders of a lower rank (data flows http → area → storage,
 * answers flow up), and some layers only what their suffix allows. Type imports count. Exit code 1 with one sentence per wrong import.
 */
const serverSource = resolve(import.meta.dirname, "../packages/server/src");

/** Lower ranks know nothing of higher ones. Folders of equal rank do not import each other. */
const ranks: Readonly<Record<string, number>> = {
  lib: 0,
  storage: 1,
  access: 2,
  http: 3,
  activity: 4,
  identity: 5,
  registry: 6,
  lifecycle: 7,
  operations: 8,
  config: 8,
  app: 9,
  "main.ts": 10,
};

/** Only the composition root reads the configuration; and whoever serves without one of its own. */
const configReaders = new Set(["app", "main.ts", "config"]);

export interface WrongImport {
  readonly file: string;
  readonly imported: string;
  readonly why: string;
}

/** What is wrong with one import of one file; undefined when nothing is. Paths are relative to the server's source folder. */
export function judge(file: string, imported: string): string | undefined {
  const from = file.split("/")[0] ?? "";
  const to = imported.split("/")[0] ?? "";
  const fromRank = ranks[from];
  const toRank = ranks[to];
  if (fromRank === undefined) return `${from}/ has no rank: give it one in tools/check-layers.ts`;
  if (toRank === undefined) return `${to}/ has no rank: give it one in tools/check-layers.ts`;
  const isTest = file.endsWith(".test.ts") || file.includes("/testing/");
  if (!isTest && imported.includes("/testing/")) return "only tests import from testing/";
  if (to === "config" && !configReaders.has(from)) {
    return "only app/ and main.ts read the configuration; take what you need in deps";
  }
  if (from !== to && toRank >= fromRank && !isTest) {
    return `${from}/ (rank ${fromRank}) must not know ${to}/ (rank ${toRank}): take a function in deps, or use an event`;
  }
  if (file.endsWith("-store.ts") && imported.endsWith("-routes.ts")) return "stores know no routes";
  if (imported.endsWith("-routes.ts") && !isTest && from !== "app" && dirname(file) !== dirname(imported)) {
    // An area's face gathers the routes of its features.
    const isFace = file.split("/").length === 2;
    if (!isFace) return "routes are gathered by their area's face only";
  }
  return undefined;
}

async function main(): Promise<void> {
  const wrong: WrongImport[] = [];
  let files = 0;
  for await (const path of glob("**/*.ts", { cwd: serverSource })) {
    files += 1;
    const source = readFileSync(join(serverSource, path), "utf8");
    for (const match of source.matchAll(/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g)) {
      const target = relative(serverSource, resolve(serverSource, dirname(path), match[1] ?? ""));
      const why = judge(path, target);
      if (why !== undefined) wrong.push({ file: path, imported: target, why });
    }
  }
  for (const { file, imported, why } of wrong) console.error(`${file} imports ${imported}: ${why}`);
  if (files === 0) throw new Error(`no source files below ${serverSource}`);
  if (wrong.length > 0) process.exitCode = 1;
  else console.log(`layers: ${files} files, no wrong import`);
}

if (import.meta.main) await main();
