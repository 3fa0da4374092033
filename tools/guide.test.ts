import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { glob, readdir, readFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "node:test";

const root = resolve(import.meta.dirname, "..");
const ofTheCommandLine = new Set(["ENTREPOT_CLI_REGISTRY", "ENTREPOT_CLI_DEBUG"]);

test("the index of the guide leads to every page of it", async () => {
  const pages = (await readdir(join(root, "docs/guide"))).filter((name) => name !== "README.md");
  const index = await read("docs/guide/README.md");
  assert.ok(pages.length > 20, "they are found");
  assert.deepEqual(
    pages.filter((page) => !index.includes(`](${page})`)),
    [],
  );
});

test("every link within the documents leads to something", async () => {
  const wrong = (await documents()).flatMap(({ path, text }) =>
    [...text.matchAll(/\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map(([, target = ""]) => target)
      .filter((target) => !existsSync(join(root, dirname(path), target)))
      .map((target) => `${path}: ${target}`),
  );
  assert.deepEqual(wrong, []);
});

test("every setting that a document names is one that there is", async () => {
  const reference = await read("docs/reference/config.md");
  const known = new Set(namesIn(reference, settingNames));
  const wrong = (await documents()).flatMap(({ path, text }) =>
    namesIn(text, settingNames)
      .filter((name) => !known.has(name) && !ofTheCommandLine.has(name) && !name.startsWith("ENTREPOT_TEST_"))
      .map((name) => `${path}: ${name}`),
  );
  assert.deepEqual(wrong, []);
});

test("every metric that the guide, the alerts and the dashboard name is one that there is", async () => {
  const known = new Set(namesIn(await read("docs/reference/metrics.md"), metricNames));
  const files = (await documents()).filter(({ path }) => path.startsWith("docs/guide/"));
  for (const path of ["deploy/prometheus/entrepot-alerts.yaml", "deploy/grafana/entrepot.json"]) {
    files.push({ path, text: await read(path) });
  }
  const wrong = files.flatMap(({ path, text }) =>
    namesIn(text, metricNames)
      .filter((name) => !known.has(name) && !known.has(name.replace(/_(?:bucket|sum|count)$/, "")))
      // A database role of the page on PostgreSQL.
      .filter((name) => name !== "entrepot_b")
      .map((name) => `${path}: ${name}`),
  );
  assert.deepEqual(wrong, []);
});

const settingNames = /\bENTREPOT_[A-Z0-9_]+[A-Z0-9]\b/g;
const metricNames = /\bentrepot_[a-z0-9_]+[a-z0-9]\b/g;

function namesIn(text: string, names: RegExp): readonly string[] {
  return [...new Set(text.match(names) ?? [])];
}

/** What people read, the pages of packages and tests included. */
async function documents(): Promise<{ readonly path: string; readonly text: string }[]> {
  const found: { readonly path: string; readonly text: string }[] = [];
  const options = { cwd: root, exclude: (name: string) => /(^|\/)(node_modules|dist|data)$/.test(name) };
  for await (const name of glob("**/*.md", options)) {
    const path = relative(root, join(root, name));
    found.push({ path, text: await read(path) });
  }
  assert.ok(found.length > 60, "they are found");
  return found;
}

function read(path: string): Promise<string> {
  return readFile(join(root, path), "utf8");
}
