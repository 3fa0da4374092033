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
  /** The setting that names the file, as messages say it; absent = `storage.keysFile`. */
  readonly setting?: string;
  /** Told when the file cannot be used and the keys before are used on, anew every few minutes while that is so; and when it can be used again. */
  readonly onChange?: (change: KeysFileChange) => void;
}

export type KeysFileChange =
  | { readonly isUsable: false; readonly reason: string }
  | { readonly isUsable: true };

export type StorageSignIn = StorageKeys | StorageKeysFile;
