import assert from "node:assert/strict";
import { test } from "node:test";
import { loadConfig } from "../config/load-config.ts";
import { ownStorageOf } from "../config/region-settings.ts";
import { storageKeysOf } from "../config/storage-settings.ts";
import { type LogFields, silentLog } from "../lib/log.ts";
import { watchedSignIn } from "./watched-sign-in.ts";

test("a broken file with keys is logged under the setting that names it, of each region its own", async () => {
  const config = await loadConfig({
    ENTREPOT_REGION: "eu",
    ENTREPOT_STORAGE_KEYS_FILE: "/run/all",
    ENTREPOT_STORAGE_REGIONS: JSON.stringify([
      { name: "eu", url: "s3://blobs-eu" },
      { name: "us", url: "s3://blobs-us", keysFile: "/run/us" },
    ]),
  });
  const lines: LogFields[] = [];
  const note = (level: string) => (fields: LogFields) => void lines.push({ level, ...fields });
  const log = { ...silentLog, warn: note("warn"), info: note("info") };
  for (const region of config.storageRegions) {
    const keys = storageKeysOf({ ...config, ...ownStorageOf(region) });
    const watched = watchedSignIn(keys, region.keysFileSetting ?? "", log);
    assert.ok(watched !== undefined && "keysFile" in watched);
    watched.onChange?.({ isUsable: false, reason: "broken" });
    watched.onChange?.({ isUsable: true });
  }
  assert.deepEqual(lines, [
    { level: "warn", setting: "storage.keysFile", keysFile: "/run/all", reason: "broken" },
    { level: "info", setting: "storage.keysFile", keysFile: "/run/all" },
    { level: "warn", setting: "storage.regions: keysFile of us", keysFile: "/run/us", reason: "broken" },
    { level: "info", setting: "storage.regions: keysFile of us", keysFile: "/run/us" },
  ]);
});

test("keys that are no file stay as they are", () => {
  const keys = { accessKey: "a", secretKey: "b", sessionToken: undefined };
  assert.equal(watchedSignIn(keys, "", silentLog), keys);
  assert.equal(watchedSignIn(undefined, "", silentLog), undefined);
});
