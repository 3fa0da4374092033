import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { isObject } from "@entrepot/oci/json-object";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
const rules = resolve(root, "deploy/prometheus/entrepot-alerts.yaml");
const dashboardFile = resolve(root, "deploy/grafana/entrepot.json");

/** Why Prometheus' own checks cannot run here; false = they can. */
const lacksPromtool = await run("promtool", ["--version"]).then(
  () => false as const,
  () => "promtool is not installed: apt-get install prometheus",
);

test("Prometheus takes the alert rules", { skip: lacksPromtool }, async () => {
  const { stdout } = await run("promtool", ["check", "rules", rules]);
  assert.match(stdout, /SUCCESS: \d+ rules found/);
});

test("alerts fire when they should, and are silent when all is well", { skip: lacksPromtool }, async () => {
  const { stdout } = await run("promtool", ["test", "rules", rules.replace(".yaml", ".test.yaml")]);
  assert.match(stdout, /SUCCESS/);
});

test("Prometheus can read every expression of the dashboard", { skip: lacksPromtool }, async (t) => {
  const { writeFile, mkdtemp, rm } = await import("node:fs/promises");
  const { tmpdir } = await import("node:os");
  const folder = await mkdtemp(resolve(tmpdir(), "entrepot-dashboard-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = resolve(folder, "expressions.yaml");
  const expressions = (await expressionsOfDashboard()).map((text) =>
    text.replaceAll("$__rate_interval", "5m").replaceAll("$instance", ".*"),
  );
  const records = expressions.map((expr, index) => ({ record: `dashboard:panel_${index}`, expr }));
  // JSON is YAML.
  await writeFile(file, JSON.stringify({ groups: [{ name: "dashboard", rules: records }] }));
  await run("promtool", ["check", "rules", "--lint=none", file]);
});

test("every metric that rules and dashboard name is one that the registry tells", async () => {
  const table = await readFile(resolve(root, "docs/reference/metrics.md"), "utf8");
  const types = new Map(
    [...table.matchAll(/^\| `([a-z0-9_]+)` \| (\w+) \|/gm)].map((match) => [match[1] ?? "", match[2] ?? ""]),
  );
  assert.ok(types.size > 40, "the table was read");
  const texts = [
    await readFile(rules, "utf8"),
    await readFile(rules.replace(".yaml", ".test.yaml"), "utf8"),
    ...(await expressionsOfDashboard()),
  ];
  const named = new Set(
    texts.flatMap((text) => [...text.matchAll(/\bentrepot_[a-z0-9_]+/g)].map(([name]) => name)),
  );
  const isTold = (name: string) => {
    const base = /^(.*)_(?:bucket|sum|count)$/.exec(name)?.[1];
    return types.has(name) || (base !== undefined && types.get(base) === "histogram");
  };
  assert.deepEqual(
    [...named].filter((name) => !isTold(name)),
    [],
  );
});

test("every figure of storage regions is on the dashboard", async () => {
  const table = await readFile(resolve(root, "docs/reference/metrics.md"), "utf8");
  const figures = [...table.matchAll(/^\| `(entrepot_region_[a-z_]+)`/gm)].map((match) => match[1] ?? "");
  assert.ok(figures.length >= 10, "the table was read");
  const shown = (await expressionsOfDashboard()).join("\n");
  assert.deepEqual(
    figures.filter((name) => !shown.includes(name)),
    [],
  );
});

test("the dashboard is of the form that Grafana takes", async () => {
  const dashboard = await readDashboard();
  assert.equal(dashboard["title"], "Entrepôt");
  assert.equal(typeof dashboard["uid"], "string");
  assert.ok(Number(dashboard["schemaVersion"]) >= 36);
  const panels = panelsOf(dashboard);
  const ids = panels.map((panel) => panel["id"]);
  assert.equal(new Set(ids).size, ids.length, "ids are not used twice");
  const cells = new Set<string>();
  for (const { type, title, gridPos, targets } of panels) {
    assert.ok(["row", "timeseries", "stat"].includes(String(type)), String(type));
    assert.ok(typeof title === "string" && title !== "");
    assert.ok(isObject(gridPos), `${title} has a place`);
    const { x, y, w, h } = gridPos;
    assert.ok([x, y, w, h].every(Number.isInteger), title);
    assert.ok(Number(x) + Number(w) <= 24, `${title} is within the 24 columns`);
    for (let column = Number(x); column < Number(x) + Number(w); column++) {
      for (let line = Number(y); line < Number(y) + Number(h); line++) {
        assert.ok(!cells.has(`${column} ${line}`), `${title} lies on another panel`);
        cells.add(`${column} ${line}`);
      }
    }
    if (type === "row") continue;
    assert.ok(Array.isArray(targets) && targets.length > 0, `${title} asks for something`);
    const references = targets.filter(isObject).map((target) => target["refId"]);
    assert.equal(new Set(references).size, targets.length, title);
  }
});

async function readDashboard(): Promise<Readonly<Record<string, unknown>>> {
  const json: unknown = JSON.parse(await readFile(dashboardFile, "utf8"));
  assert.ok(isObject(json));
  return json;
}

function panelsOf(
  dashboard: Readonly<Record<string, unknown>>,
): readonly Readonly<Record<string, unknown>>[] {
  const { panels } = dashboard;
  assert.ok(Array.isArray(panels) && panels.length > 0);
  return panels.filter(isObject);
}

async function expressionsOfDashboard(): Promise<readonly string[]> {
  return panelsOf(await readDashboard()).flatMap(({ targets }) =>
    (Array.isArray(targets) ? targets : []).filter(isObject).map(({ expr }) => String(expr)),
  );
}
