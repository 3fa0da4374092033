import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { loadConfig } from "./load-config.ts";
import { ownStorageOf } from "./region-settings.ts";
import { ConfigError } from "./setting-error.ts";
import { storageKeysOf } from "./storage-settings.ts";

async function problemsOf(environment: Record<string, string>): Promise<string> {
  try {
    await loadConfig(environment);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems.join("\n");
  }
  assert.fail("the configuration was taken");
}

const two = "eu=s3://blobs-eu/registry?region=eu-central-1 us=s3://blobs-us?region=us-east-1";

test("regions are pairs of name and url, and the own one is what single storage would be", async () => {
  const config = await loadConfig({ ENTREPOT_STORAGE_REGIONS: two, ENTREPOT_REGION: "us" });
  assert.deepEqual(
    config.storageRegions.map(({ name, isCopiedToByDefault }) => [name, isCopiedToByDefault]),
    [
      ["eu", true],
      ["us", true],
    ],
  );
  assert.equal(config.storageUrl, "s3://blobs-us?region=us-east-1");
});

test("in the file they are a list with keys of their own, secrets by file, and what is copied to only when asked", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-config-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "secret"), "s3cret\n");
  const path = join(folder, "entrepot.yaml");
  await writeFile(
    path,
    `storage:
  region: eu
  accessKey: all
  secretKey: of-all
  regions:
    - { name: eu, url: "s3://blobs-eu?region=eu-central-1", accessKey: own, secretKeyFile: "${folder}/secret" }
    - { name: us, url: "s3://blobs-us?region=us-east-1", copies: asked }
`,
  );
  const config = await loadConfig({}, path);
  assert.equal(config.storageAccessKey, "own");
  assert.equal(config.storageSecretKey, "s3cret");
  assert.deepEqual(config.storageRegions[1], {
    name: "us",
    url: "s3://blobs-us?region=us-east-1",
    accessKey: "all",
    secretKey: "of-all",
    isCopiedToByDefault: false,
  });
});

test("the keys of one region are never those of another", async () => {
  const regions = JSON.stringify([
    { name: "eu", url: "s3://blobs-eu", accessKey: "eu", secretKey: "of-eu", tempUrlKey: "temp-eu" },
    { name: "us", url: "s3://blobs-us" },
    { name: "asia", url: "s3://blobs-asia", keysFile: "/run/keys" },
  ]);
  const config = await loadConfig({ ENTREPOT_STORAGE_REGIONS: regions, ENTREPOT_REGION: "eu" });
  const opened = config.storageRegions.map((region) => storageKeysOf({ ...config, ...ownStorageOf(region) }));
  assert.deepEqual(opened, [
    { accessKey: "eu", secretKey: "of-eu", sessionToken: undefined, tempUrlKey: "temp-eu" },
    undefined,
    { keysFile: "/run/keys", tempUrlKey: undefined },
  ]);
});

test("refuses what cannot work, and quotes no url", async () => {
  const cases: readonly (readonly [Record<string, string>, RegExp])[] = [
    [{ ENTREPOT_STORAGE_REGIONS: two }, /storage\.region must be one of storage\.regions: eu, us/],
    [{ ENTREPOT_STORAGE_REGIONS: two, ENTREPOT_REGION: "asia" }, /must be one of/],
    [{ ENTREPOT_REGION: "eu" }, /storage\.regions, which is not set/],
    [
      { ENTREPOT_STORAGE_REGIONS: two, ENTREPOT_REGION: "eu", ENTREPOT_STORAGE_URL: "file:/x" },
      /not set together/,
    ],
    [
      { ENTREPOT_STORAGE_REGIONS: two, ENTREPOT_REGION: "eu", ENTREPOT_STORAGE_PREVIOUS_URL: "s3://x" },
      /add a region/,
    ],
    [{ ENTREPOT_STORAGE_REGIONS: "eu=file:/secret us=s3://b", ENTREPOT_REGION: "eu" }, /object stores only/],
    [{ ENTREPOT_STORAGE_REGIONS: "eu=s3://a eu=s3://b", ENTREPOT_REGION: "eu" }, /different names/],
    [{ ENTREPOT_STORAGE_REGIONS: "eu=s3://a us=s3://a", ENTREPOT_REGION: "eu" }, /different urls/],
    [{ ENTREPOT_STORAGE_REGIONS: "EU=s3://a us=s3://b", ENTREPOT_REGION: "us" }, /lower-case/],
    [{ ENTREPOT_STORAGE_REGIONS: "[", ENTREPOT_REGION: "us" }, /list in JSON/],
    [
      { ENTREPOT_STORAGE_REGIONS: '[{"name":"eu","url":"s3://a","accesskey":"x"}]', ENTREPOT_REGION: "eu" },
      /must have for each region/,
    ],
    [
      { ENTREPOT_STORAGE_REGIONS: '[{"name":"eu","url":"s3://a","accessKey":"x"}]', ENTREPOT_REGION: "eu" },
      /both accessKey and secretKey/,
    ],
    [
      { ENTREPOT_STORAGE_REGIONS: '[{"name":"eu","url":"s3://a","copies":"asked"}]', ENTREPOT_REGION: "eu" },
      /at least one region/,
    ],
  ];
  for (const [environment, expected] of cases) {
    const problems = await problemsOf(environment);
    assert.match(problems, expected);
    assert.doesNotMatch(problems, /file:|\/secret|s3:/);
  }
});
