import { randomBytes, randomUUID } from "node:crypto";

/** A new UUID: unique, not secret. */
export function newUuid(): string {
  return randomUUID();
}

/** A new secret of 256 random bits as 43 characters that need no escaping anywhere. */
export function newSecret(): string {
  return randomBytes(32).toString("base64url");
}
