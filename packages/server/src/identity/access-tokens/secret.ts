import { createHash } from "node:crypto";
import { newSecret } from "../../lib/ids.ts";

/** Tells a person, and a scanner for leaked secrets, what it is. */
export const accessTokenPrefix = "entp_";

const grammar = /^entp_[A-Za-z0-9_-]{43}$/;

export function newAccessTokenSecret(): string {
  return `${accessTokenPrefix}${newSecret()}`;
}

/** False for what can be no access token of ours, so that it need not be looked up. */
export function isAccessTokenSecret(text: string): boolean {
  return grammar.test(text);
}

/** 256 random bits need no slow hash: nobody can try them out. */
export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}
