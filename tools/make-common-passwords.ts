/**
 * Makes packages/server/data/common-passwords.bin from a list of passwords, one a line, the most common first:
 *
 *   node --conditions=source tools/make-common-passwords.ts LIST
 */
import { readFileSync, writeFileSync } from "node:fs";
import { writeBloomFilter } from "@entrepot/server/identity/passwords/bloom-filter";

/** What is shorter is refused for that. */
const minLength = 8;
/** A new password in so many is refused for nothing. */
const falseOneIn = 2_000;

const [list] = process.argv.slice(2);
if (list === undefined) throw new Error("usage: make-common-passwords.ts LIST");
const lines = readFileSync(list, "utf8").split(/\r?\n/);
const passwords = [
  ...new Set(lines.filter((line) => line.length >= minLength).map((line) => line.toLowerCase())),
];
const file = new URL("../packages/server/data/common-passwords.bin", import.meta.url);
const bytes = writeBloomFilter(passwords, falseOneIn);
writeFileSync(file, bytes);
console.log(`${passwords.length} passwords in ${bytes.length} bytes`);
