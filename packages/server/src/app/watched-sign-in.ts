import type { Log } from "../lib/log.ts";
import type { StorageSignIn } from "../storage/blob-store/objects/storage-keys.ts";

/** The same, and what becomes of a file with keys is logged, under the name of the setting that names the file. Never what is in it. */
export function watchedSignIn(
  signIn: StorageSignIn | undefined,
  setting: string,
  log: Log,
): StorageSignIn | undefined {
  if (signIn === undefined || !("keysFile" in signIn)) return signIn;
  const { keysFile } = signIn;
  return {
    ...signIn,
    setting,
    onChange(change) {
      if (change.isUsable)
        log.info({ setting, keysFile }, "the file with the keys of a storage is used again");
      else {
        const fields = { setting, keysFile, reason: change.reason };
        log.warn(fields, "the file with the keys of a storage cannot be used: the keys before are used on");
      }
    },
  };
}
