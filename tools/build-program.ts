import { createHash } from "node:crypto";
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import type { RolldownOptions } from "rolldown";

/*
 * The program as it is shipped: `dist/server.js` and `dist/entrepot.js` (the CLI) with what they share, bundled from the sources. A thousand small files
 * take a second and ten megabytes more at start than a few large ones do; what is loaded when first used stays in files of its own.
 */

const root = resolve(import.meta.dirname, "..");

/** What every start loads. Whatever else the program uses stays in node_modules: it is loaded when needed, and some of it cannot be moved (machine code, files beside the code). */
const bundled = new Set([
  "@opentelemetry/api",
  "bintrees",
  "commander",
  "jose",
  "kysely",
  "lru-cache",
  "otpauth",
  "prom-client",
  "tdigest",
]);

const options: RolldownOptions = {
  cwd: root,
  input: { server: "packages/server/src/main.ts", entrepot: "packages/cli/src/main.ts" },
  platform: "node",
  resolve: { conditionNames: ["source", "node", "import"] },
  external: (id) => !/^[./]/.test(id) && !id.startsWith("@entrepot/") && !bundled.has(packageOf(id)),
  // Data files beside the code, named by `new URL(…, import.meta.url)`, come along.
  experimental: { resolveNewUrlToAsset: true },
  logLevel: "warn",
};

/**
 * Makes `dist/` unless it is what the sources say already: two seconds, or thirty milliseconds. Any number may do it at the same time, in one
 * process or several, and servers may run from it: what they have not loaded yet stays there for a day.
 */
export async function buildProgram(folder: string = join(root, "dist")): Promise<void> {
  const sources = stampOfSources();
  const stampFile = join(folder, ".stamp");
  const before = readStamp(stampFile);
  if (before?.sources === sources && before.files.every((file) => existsSync(join(folder, file)))) return;
  const { rolldown } = await import("rolldown");
  const made = mkdtempSync(`${folder}.`);
  try {
    const bundle = await rolldown(options);
    const { output } = await bundle.write({
      dir: made,
      format: "esm",
      // Maps for whoever runs it with --enable-source-maps; they are not read otherwise.
      sourcemap: true,
      sourcemapExcludeSources: true,
      chunkFileNames: "parts/[name]-[hash].js",
      assetFileNames: "parts/[name]-[hash][extname]",
    });
    await bundle.close();
    // The parts first: whoever starts meanwhile finds all that the old or the new program names.
    const files = output.map(({ fileName }) => fileName).sort((a, b) => depth(b) - depth(a));
    mkdirSync(join(folder, "parts"), { recursive: true });
    for (const file of files) renameSync(join(made, file), join(folder, file));
    removeOldParts(folder, new Set(files), before?.files ?? []);
    writeFileSync(stampFile, [sources, ...files].join("\n"));
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}

function depth(file: string): number {
  return file.split("/").length;
}

/** What this build has replaced stays for a day from now on: servers that run may not have loaded it yet. */
function removeOldParts(folder: string, current: ReadonlySet<string>, replaced: readonly string[]): void {
  const now = new Date();
  const dayMs = 86_400_000;
  for (const file of globSync("parts/*", { cwd: folder })) {
    if (current.has(file)) continue;
    const path = join(folder, file);
    if (replaced.includes(file)) utimesSync(path, now, now);
    // Absent: another start has removed it in between.
    else if (now.getTime() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) > dayMs)
      rmSync(path, { force: true });
  }
}

/** What the last build was made of, and the files that it wrote. */
function readStamp(
  stampFile: string,
): { readonly sources: string; readonly files: readonly string[] } | undefined {
  try {
    const [sources = "", ...files] = readFileSync(stampFile, "utf8").split("\n");
    return { sources, files };
  } catch {
    return undefined;
  }
}

/** Names, sizes and times of everything that goes into it. */
function stampOfSources(): string {
  const files = [
    "package-lock.json",
    "tools/build-program.ts",
    ...globSync("packages/*/{src,data}/**/*", { cwd: root }),
  ];
  const hash = createHash("sha256");
  for (const file of files.sort()) {
    const { size, mtimeMs } = statSync(join(root, file));
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex");
}

/** The package of `name/file` or `@scope/name/file`. */
function packageOf(id: string): string {
  return id
    .split("/")
    .slice(0, id.startsWith("@") ? 2 : 1)
    .join("/");
}
