/** With what a driver signs in, as the settings give it; each driver says what the two mean to it. */
export interface StorageKeys {
  readonly accessKey: string;
  readonly secretKey: string;
  readonly sessionToken: string | undefined;
  /** With what Swift's signed addresses are made; undefined = there are none. */
  readonly tempUrlKey?: string | undefined;
}

/** A file with the keys, looked at again while the registry runs: keys change without a restart. */
export interface StorageKeysFile {
  readonly keysFile: string;
  readonly tempUrlKey?: string | undefined;
}

export type StorageSignIn = StorageKeys | StorageKeysFile;
