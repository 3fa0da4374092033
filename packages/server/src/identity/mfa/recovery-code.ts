import { randomBytes } from "node:crypto";

const alphabet = "abcdefghijkmnpqrstuvwxyz23456789";
const length = 16;
const howMany = 10;

/** Ten codes of 80 random bits, in groups that can be read aloud. Without letters and digits that are taken for one another. */
export function newRecoveryCodes(): readonly string[] {
  return Array.from({ length: howMany }, () => {
    const letters = Array.from(randomBytes(length), (byte) => alphabet[byte % alphabet.length] ?? "");
    return [0, 4, 8, 12].map((start) => letters.slice(start, start + 4).join("")).join("-");
  });
}

/** A code as it is hashed, however a person typed it. */
export function plainRecoveryCode(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]/g, "");
}
