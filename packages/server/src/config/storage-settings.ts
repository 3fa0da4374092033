import { textSetting } from "./settings.ts";

/** Where blobs are kept, and with which keys. */
export const storageSettings = {
  storageUrl: textSetting({
    key: "storage.url",
    variable: "ENTREPOT_STORAGE_URL",
    defaultValue: undefined,
    defaultText: "`file:` in the data folder",
    isSecret: true,
    description:
      "Where blobs are kept: `file:PATH`; `s3://BUCKET/PREFIX?region=…`, see the guide on object storage; or `memory:` for tests.",
  }),
  storageAccessKey: textSetting({
    key: "storage.accessKey",
    variable: "ENTREPOT_STORAGE_ACCESS_KEY",
    defaultValue: undefined,
    defaultText: "what the SDK finds: environment, profile, web identity, machine",
    description: "Who signs in to the object store: the access key's id.",
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
} as const;

interface StorageValues {
  readonly storageAccessKey: string | undefined;
  readonly storageSecretKey: string | undefined;
  readonly storageSessionToken: string | undefined;
}

/** What does not go together. */
export function storageProblems(values: StorageValues): readonly string[] {
  const { storageAccessKey: key, storageSecretKey: secret, storageSessionToken: session } = values;
  if ((key === undefined) !== (secret === undefined)) {
    return ["storage.accessKey and storage.secretKey go together: one is set, the other is not"];
  }
  if (session !== undefined && key === undefined) {
    return ["storage.sessionToken goes with storage.accessKey and storage.secretKey, which are not set"];
  }
  return [];
}

/** The keys that the driver signs with; undefined = what it finds by itself. */
export function storageKeysOf(values: StorageValues) {
  const { storageAccessKey, storageSecretKey, storageSessionToken } = values;
  if (storageAccessKey === undefined || storageSecretKey === undefined) return undefined;
  return {
    accessKey: storageAccessKey,
    secretKey: storageSecretKey,
    sessionToken: storageSessionToken,
  };
}
