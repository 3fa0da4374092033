import { readFileSync } from "node:fs";
import { isRegionName } from "../storage/blob-store/regions/region-name.ts";
import { SettingError } from "./setting-error.ts";
import { numberSetting, type Setting, textSetting } from "./settings.ts";

/** One storage region as the settings give it. */
export interface RegionPlace {
  readonly name: string;
  readonly url: string;
  /** Absent = the keys that are set for all storage. */
  readonly accessKey?: string;
  readonly secretKey?: string;
  /** Goes with the two when they are set for all storage and temporary. */
  readonly sessionToken?: string;
  /** Instead of the two: looked at again while the registry runs. */
  readonly keysFile?: string;
  /** What names that file, for messages. */
  readonly keysFileSetting?: string;
  readonly tempUrlKey?: string;
  /** Whether everything is copied there unless a namespace says otherwise. */
  readonly isCopiedToByDefault: boolean;
}

const known = [
  "name",
  "url",
  "accessKey",
  "secretKey",
  "secretKeyFile",
  "keysFile",
  "tempUrlKey",
  "copies",
] as const;

const regionsSetting: Setting<readonly RegionPlace[]> = {
  key: "storage.regions",
  variable: "ENTREPOT_STORAGE_REGIONS",
  defaultValue: [],
  defaultText: "none: everything lies in `storage.url`",
  isSecret: true,
  form: "`name=url name=url …`, or a list of `{name, url, accessKey, secretKey, secretKeyFile, keysFile, tempUrlKey, copies}`",
  description:
    "Object stores in several regions that keep the same blobs, in place of `storage.url`; all instances have the same ones. The order is that in which others are asked for what the own region does not have. `copies: asked` = copied to only where a namespace says so. See the guide on regions.",
  parse: parseRegions,
};

/** Several storage regions for one database. */
export const regionSettings = {
  storageRegion: textSetting({
    key: "storage.region",
    variable: "ENTREPOT_REGION",
    defaultValue: undefined,
    description: "Which of `storage.regions` is nearest to this instance: what it takes in lies there first.",
  }),
  storageRegions: regionsSetting,
  storageCopiesAtOnce: numberSetting({
    key: "storage.copiesAtOnce",
    variable: "ENTREPOT_STORAGE_COPIES_AT_ONCE",
    defaultValue: 4,
    min: 1,
    max: 100,
    description: "Blobs that are copied at once to each storage region, by one instance.",
  }),
  storageSettleSeconds: numberSetting({
    key: "storage.settleSeconds",
    variable: "ENTREPOT_STORAGE_SETTLE_SECONDS",
    defaultValue: 900,
    min: 1,
    max: 86_400,
    description:
      "How long a copy must have lain in a storage region before copies elsewhere that must not lie there any more are removed on its account. Longer than any request to an object store can go on with all its retries; shorter is for trying things out.",
  }),
} as const;

/** What does not go together. */
export function regionProblems(values: {
  readonly storageRegion: string | undefined;
  readonly storageRegions: readonly RegionPlace[];
  readonly storageUrl: string | undefined;
  readonly storagePreviousUrl: string | undefined;
}): readonly string[] {
  const { storageRegion: own, storageRegions: regions } = values;
  if (regions.length === 0) {
    return own === undefined ? [] : ["storage.region is one of storage.regions, which is not set"];
  }
  const problems: string[] = [];
  const names = regions.map(({ name }) => name);
  if (own === undefined || !names.includes(own)) {
    problems.push(`storage.region must be one of storage.regions: ${names.join(", ")}`);
  }
  if (values.storageUrl !== undefined) problems.push("storage.url and storage.regions are not set together");
  if (values.storagePreviousUrl !== undefined) {
    problems.push(
      "storage.previousUrl and storage.regions are not set together: to move, add a region, and take the old one away when all is copied",
    );
  }
  return problems;
}

/** Each region with the keys that it is opened with: its own, or else those that are set for all storage. */
export function withKeys(
  regions: readonly RegionPlace[],
  all: {
    readonly storageKeysFile: string | undefined;
    readonly storageAccessKey: string | undefined;
    readonly storageSecretKey: string | undefined;
    readonly storageSessionToken: string | undefined;
    readonly storageTempUrlKey: string | undefined;
  },
): readonly RegionPlace[] {
  return regions.map((region) => {
    const tempUrlKey = region.tempUrlKey ?? all.storageTempUrlKey;
    const hasKeys = region.accessKey !== undefined || region.keysFile !== undefined;
    const keys = {
      ...(all.storageKeysFile !== undefined && {
        keysFile: all.storageKeysFile,
        keysFileSetting: "storage.keysFile",
      }),
      ...(all.storageAccessKey !== undefined && { accessKey: all.storageAccessKey }),
      ...(all.storageSecretKey !== undefined && { secretKey: all.storageSecretKey }),
      ...(all.storageSessionToken !== undefined && { sessionToken: all.storageSessionToken }),
    };
    return { ...region, ...(!hasKeys && keys), ...(tempUrlKey !== undefined && { tempUrlKey }) };
  });
}

/** As single storage has it, for what looks at one region only. Every key is told, so that none of another region is left. */
export function ownStorageOf(region: RegionPlace) {
  return {
    storageUrl: region.url,
    storageKeysFile: region.keysFile,
    storageAccessKey: region.accessKey,
    storageSecretKey: region.secretKey,
    storageSessionToken: region.sessionToken,
    storageTempUrlKey: region.tempUrlKey,
  };
}

function parseRegions(text: string): readonly RegionPlace[] {
  const regions = text.trimStart().startsWith("[") ? parseList(text) : parsePairs(text);
  for (const [what, values] of [
    ["names", regions.map(({ name }) => name)],
    ["urls", regions.map(({ url }) => url)],
  ] as const) {
    if (new Set(values).size !== values.length) throw new SettingError(`must have different ${what}`);
  }
  if (regions.length > 0 && !regions.some(({ isCopiedToByDefault }) => isCopiedToByDefault)) {
    throw new SettingError("must have at least one region without `copies: asked`");
  }
  return regions;
}

function parsePairs(text: string): readonly RegionPlace[] {
  const pairs = text.split(/\s+/).filter((part) => part !== "");
  return pairs.map((pair) => {
    const at = pair.indexOf("=");
    return checkPlace({ name: pair.slice(0, Math.max(0, at)), url: pair.slice(at + 1) });
  });
}

function parseList(text: string): readonly RegionPlace[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    throw new SettingError("must be a list in JSON, or name=url pairs");
  }
  if (!Array.isArray(list)) throw new SettingError("must be a list");
  return list.map((item: unknown) => {
    if (typeof item !== "object" || item === null) throw new SettingError("must be a list of objects");
    const fields: Record<string, string> = {};
    for (const [field, value] of Object.entries(item)) {
      if (!known.some((name) => name === field) || typeof value !== "string") {
        throw new SettingError(`must have for each region: ${known.join(", ")}, each a text`);
      }
      fields[field] = value;
    }
    return checkPlace(fields);
  });
}

/** Never quotes a url, as urls may carry keys. */
function checkPlace(fields: Readonly<Partial<Record<string, string>>>): RegionPlace {
  const { name = "", url = "", accessKey, secretKeyFile, keysFile, tempUrlKey, copies } = fields;
  if (!isRegionName(name)) {
    throw new SettingError(
      "must have names of lower-case letters, digits and single hyphens, at most 23, that begin with a letter",
    );
  }
  if (!/^(?:s3|gs|swift|azure):/.test(url)) {
    throw new SettingError(
      `must have object stores only, as every instance reaches every region: the url of ${name} is none`,
    );
  }
  if (copies !== undefined && copies !== "asked" && copies !== "default") {
    throw new SettingError("must have `default` or `asked` for copies");
  }
  const secretKey = secretKeyFile === undefined ? fields["secretKey"] : readSecret(name, secretKeyFile);
  if ((accessKey === undefined) !== (secretKey === undefined)) {
    throw new SettingError(`must have both accessKey and secretKey for ${name}, or neither`);
  }
  if (accessKey !== undefined && keysFile !== undefined) {
    throw new SettingError(`must have either keysFile or accessKey and secretKey for ${name}`);
  }
  return {
    name,
    url,
    ...(accessKey !== undefined && { accessKey }),
    ...(secretKey !== undefined && { secretKey }),
    ...(keysFile !== undefined && { keysFile, keysFileSetting: `storage.regions: keysFile of ${name}` }),
    ...(tempUrlKey !== undefined && { tempUrlKey }),
    isCopiedToByDefault: copies !== "asked",
  };
}

function readSecret(name: string, path: string): string {
  try {
    return readFileSync(path, "utf8").replace(/\r?\n$/, "");
  } catch {
    throw new SettingError(`must have a file that can be read for the secret key of ${name}: ${path}`);
  }
}
