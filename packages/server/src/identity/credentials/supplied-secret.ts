import { AppError } from "../../lib/app-error.ts";

const minLength = 20;
const maxLength = 200;
const minDistinct = 10;
/** Keyboards, alphabets and words that stand in every list of passwords. */
const familiar = [
  "abcdefghijklmnopqrstuvwxyz",
  "qwertyuiopasdfghjklzxcvbnm",
  "qazwsxedcrfvtgbyhnujmikolp",
  "01234567890123456789",
  "98765432109876543210",
  "password",
  "passw0rd",
  "changeme",
  "letmein",
  "welcome",
  "secret",
  "registry",
  "correcthorsebatterystaple",
];

/**
 * Sees to it that a secret which somebody else has thought of is hard to guess: at least 20 visible ASCII characters, at least ten different ones, no
 * repetition of something short, and not mostly made of what every list of passwords has. `REQUEST_INVALID` with what is missing, never with
 * the secret.
 */
export function checkSuppliedSecret(secret: string, accountName: string): void {
  const problem = problemOf(secret, accountName);
  if (problem !== undefined) {
    throw new AppError(
      "REQUEST_INVALID",
      `the secret cannot be taken: ${problem}; leave it out, and one is made`,
    );
  }
}

function problemOf(secret: string, accountName: string): string | undefined {
  if (secret.length < minLength || secret.length > maxLength) {
    return `it must have ${minLength} to ${maxLength} characters`;
  }
  if (!/^[\x21-\x7e]+$/.test(secret)) return "only visible ASCII characters can be typed and sent everywhere";
  if (/^ent[a-z]_/.test(secret)) return "it begins like the registry's own";
  if (new Set(secret).size < minDistinct) return `it must have at least ${minDistinct} different characters`;
  if (isRepetition(secret)) return "it repeats something short";
  const words = [...familiar, ...accountName.split(/[^a-z0-9]+/).filter((word) => word.length > 3)];
  if (withoutFamiliar(secret, words).length < minLength / 2)
    return "it is made of words that everybody tries";
  return undefined;
}

/** Whether the text is one of at most a third of its length, again and again. */
function isRepetition(text: string): boolean {
  for (let period = 1; period <= text.length / 3; period++) {
    if (text.slice(period) === text.slice(0, -period)) return true;
  }
  return false;
}

/** What is left without runs of at least four characters that the words, or their reverse, have. */
function withoutFamiliar(text: string, words: readonly string[]): string {
  const known = words.flatMap((word) => [word, Array.from(word).reverse().join("")]);
  const lower = text.toLowerCase();
  let left = "";
  for (let at = 0; at < lower.length; ) {
    let length = 0;
    while (
      at + length < lower.length &&
      known.some((word) => word.includes(lower.slice(at, at + length + 1)))
    ) {
      length += 1;
    }
    if (length < 4) {
      left += lower[at] ?? "";
      at += 1;
    } else at += length;
  }
  return left;
}
