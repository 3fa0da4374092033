import { readFile } from "node:fs/promises";
import { readBloomFilter } from "./bloom-filter.ts";

/** Tells whether a password is one of those that everybody tries first. One in 2,000 others is taken for one: choosing again costs little. */
export type CommonPasswordCheck = (password: string) => Promise<boolean>;

// The same place as seen from the source and from what it is compiled to.
const file = new URL("../../../data/common-passwords.bin", import.meta.url);

/** Reads the list (data/README.md) when it is first needed: most processes never see a new password, and it is a megabyte. */
export function createCommonPasswordCheck(): CommonPasswordCheck {
  let loading: Promise<{ has(text: string): boolean }> | undefined;
  return async (password) => {
    loading ??= readFile(file).then(readBloomFilter);
    return (await loading).has(password.toLowerCase());
  };
}
