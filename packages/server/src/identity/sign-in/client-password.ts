import type { SecretBox } from "../../lib/secret-box.ts";

/** Tells a person, and a scanner for leaked secrets, what it is. */
export const clientPasswordPrefix = "entc_";
const context = "client password";

/** Whose password it stands for, and which one: it ends with that password. */
export interface ClientPassword {
  readonly userId: number;
  readonly passwordEpoch: string;
}

/**
 * Text that can lie in a docker config in place of a password. It holds no password: only this registry can open it, it is good for pulling and
 * pushing only, and it ends when the password is changed.
 */
export function sealClientPassword(secretBox: SecretBox, content: ClientPassword): string {
  const sealed = secretBox.seal(JSON.stringify([content.userId, content.passwordEpoch]), context);
  return `${clientPasswordPrefix}${sealed}`;
}

/** Undefined when it is none of ours. */
export function openClientPassword(secretBox: SecretBox, text: string): ClientPassword | undefined {
  let content: unknown;
  try {
    content = JSON.parse(secretBox.open(text.slice(clientPasswordPrefix.length), context));
  } catch {
    return undefined;
  }
  if (!Array.isArray(content)) return undefined;
  const [userId, passwordEpoch]: readonly unknown[] = content;
  return typeof userId === "number" && typeof passwordEpoch === "string"
    ? { userId, passwordEpoch }
    : undefined;
}
