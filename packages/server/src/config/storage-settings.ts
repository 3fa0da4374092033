import type { IpNetwork } from "../lib/ip-network.ts";
import { parseIpNetwork } from "../lib/ip-network.ts";
import { choiceSetting, networksSetting, numberSetting, textSetting } from "./settings.ts";

const privateNetworks = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "::1", "fc00::/7"];

/** Where blobs are kept, and with which keys. */
export const storageSettings = {
  storageUrl: textSetting({
    key: "storage.url",
    variable: "ENTREPOT_STORAGE_URL",
    defaultValue: undefined,
    defaultText: "`file:` in the data folder",
    isSecret: true,
    description:
      "Where blobs are kept: `file:PATH`; `s3://BUCKET/PREFIX?region=…`, `gs://BUCKET/PREFIX`, `azure://CONTAINER/PREFIX`, `swift://CONTAINER/PREFIX?auth=…`; see the guide on object storage; or `memory:` for tests.",
  }),
  storagePreviousUrl: textSetting({
    key: "storage.previousUrl",
    variable: "ENTREPOT_STORAGE_PREVIOUS_URL",
    defaultValue: undefined,
    defaultText: "none",
    isSecret: true,
    description:
      "A second storage that is read, too, and that uploads may end in: for moving from one to another while running, see the guide.",
  }),
  storageKeysFile: textSetting({
    key: "storage.keysFile",
    variable: "ENTREPOT_STORAGE_KEYS_FILE",
    defaultValue: undefined,
    description:
      "File with the keys of the object store, instead of the two settings below; looked at again each second, so that keys change without a restart. JSON with `accessKey`, `secretKey` and perhaps `sessionToken`, or lines as in AWS's credentials file; for `gs:` a key file of Google's.",
  }),
  storagePreviousKeysFile: textSetting({
    key: "storage.previousKeysFile",
    variable: "ENTREPOT_STORAGE_PREVIOUS_KEYS_FILE",
    defaultValue: undefined,
    defaultText: "the same keys as for `storage.url`",
    description: "File with the keys of `storage.previousUrl`, when they are others.",
  }),
  storageAccessKey: textSetting({
    key: "storage.accessKey",
    variable: "ENTREPOT_STORAGE_ACCESS_KEY",
    defaultValue: undefined,
    defaultText: "what the SDK finds: environment, profile, web identity, machine",
    description: "Who signs in to the object store: the access key's id, the user, or the storage account.",
  }),
  storageSecretKey: textSetting({
    key: "storage.secretKey",
    variable: "ENTREPOT_STORAGE_SECRET_KEY",
    defaultValue: undefined,
    isSecret: true,
    description: "The secret that goes with `storage.accessKey`.",
  }),
  storageSessionToken: textSetting({
    key: "storage.sessionToken",
    variable: "ENTREPOT_STORAGE_SESSION_TOKEN",
    defaultValue: undefined,
    isSecret: true,
    description: "The session token that goes with temporary keys.",
  }),
  storageTempUrlKey: textSetting({
    key: "storage.tempUrlKey",
    variable: "ENTREPOT_STORAGE_TEMP_URL_KEY",
    defaultValue: undefined,
    isSecret: true,
    description: "Swift: the container's or account's TempURL key, for `storage.redirect`.",
  }),
  storageRedirect: choiceSetting({
    key: "storage.redirect",
    variable: "ENTREPOT_STORAGE_REDIRECT",
    choices: ["off", "external", "on"],
    defaultValue: "off",
    description:
      "Whether clients that pull a blob are sent to the object store by a signed address: never; those outside `storage.redirectInternalNetworks`; all. They must be able to reach it.",
  }),
  storageRedirectInternalNetworks: networksSetting({
    key: "storage.redirectInternalNetworks",
    variable: "ENTREPOT_STORAGE_REDIRECT_INTERNAL_NETWORKS",
    defaultValue: privateNetworks.map(parseIpNetwork),
    defaultText: `\`${privateNetworks.join(", ")}\``,
    description: "With `storage.redirect: external`: clients in these networks get blobs from the registry.",
  }),
  storageRedirectMinKib: numberSetting({
    key: "storage.redirectMinKib",
    variable: "ENTREPOT_STORAGE_REDIRECT_MIN_KIB",
    defaultValue: 1_024,
    min: 0,
    max: 1_073_741_824,
    description: "Blobs of fewer KiB are sent by the registry.",
  }),
  storageRedirectSeconds: numberSetting({
    key: "storage.redirectSeconds",
    variable: "ENTREPOT_STORAGE_REDIRECT_SECONDS",
    defaultValue: 300,
    min: 10,
    max: 604_800,
    description:
      "How long a signed address is good. Who has one can read that blob until then, whatever becomes of their rights; a download that has begun goes on.",
  }),
  storageRedirectExceptAgents: textSetting({
    key: "storage.redirectExceptAgents",
    variable: "ENTREPOT_STORAGE_REDIRECT_EXCEPT_AGENTS",
    defaultValue: "",
    defaultText: "none",
    description: "Parts of the `User-Agent` of clients that cannot follow a redirect, separated by commas.",
  }),
} as const;

interface RedirectValues {
  readonly storageRedirect: "off" | "external" | "on";
  readonly storageRedirectInternalNetworks: readonly IpNetwork[];
  readonly storageRedirectMinKib: number;
  readonly storageRedirectSeconds: number;
  readonly storageRedirectExceptAgents: string;
}

/** Which pulls are sent to the object store. */
export function redirectOf(values: RedirectValues) {
  return {
    mode: values.storageRedirect,
    internalNetworks: values.storageRedirectInternalNetworks,
    minBytes: values.storageRedirectMinKib * 1_024,
    lifetimeSeconds: values.storageRedirectSeconds,
    exceptAgents: values.storageRedirectExceptAgents
      .split(",")
      .map((part) => part.trim().toLowerCase())
      .filter((part) => part !== ""),
  };
}

interface StorageValues {
  readonly storageKeysFile: string | undefined;
  readonly storagePreviousKeysFile: string | undefined;
  readonly storageAccessKey: string | undefined;
  readonly storageSecretKey: string | undefined;
  readonly storageSessionToken: string | undefined;
  readonly storageTempUrlKey: string | undefined;
}

/** What does not go together. */
export function storageProblems(values: StorageValues): readonly string[] {
  const { storageAccessKey: key, storageSecretKey: secret, storageSessionToken: session } = values;
  if ((key === undefined) !== (secret === undefined)) {
    return ["storage.accessKey and storage.secretKey go together: one is set, the other is not"];
  }
  if (values.storageKeysFile !== undefined) {
    return key === undefined
      ? []
      : ["storage.keysFile stands for storage.accessKey and storage.secretKey: set either it or them"];
  }
  if (values.storageTempUrlKey !== undefined && key === undefined) {
    return ["storage.tempUrlKey goes with storage.accessKey and storage.secretKey, which are not set"];
  }
  if (session !== undefined && key === undefined) {
    return ["storage.sessionToken goes with storage.accessKey and storage.secretKey, which are not set"];
  }
  return [];
}

/** With what the driver signs in; undefined = what it finds by itself. */
export function storageKeysOf(values: StorageValues) {
  const { storageAccessKey, storageSecretKey, storageSessionToken, storageKeysFile } = values;
  const tempUrlKey = values.storageTempUrlKey;
  if (storageKeysFile !== undefined) return { keysFile: storageKeysFile, tempUrlKey };
  if (storageAccessKey === undefined || storageSecretKey === undefined) return undefined;
  return {
    accessKey: storageAccessKey,
    secretKey: storageSecretKey,
    sessionToken: storageSessionToken,
    tempUrlKey,
  };
}

/** The same for the storage before. */
export function previousStorageKeysOf(values: StorageValues) {
  const { storagePreviousKeysFile: keysFile, storageTempUrlKey: tempUrlKey } = values;
  return keysFile === undefined ? storageKeysOf(values) : { keysFile, tempUrlKey };
}
