import { isNamespaceName } from "../organizations/organization-name.ts";

const maxParts = 3;
const maxLength = 400;

/**
 * Whether a text can be the name of an account of any kind: a person's, or names joined by plus signs such as `acme+ci`, a robot's. What is not
 * is nobody's name, and need not be looked up.
 */
export function isAccountName(text: string): boolean {
  if (text.length > maxLength) return false;
  const parts = text.split("+");
  return parts.length <= maxParts && parts.every(isNamespaceName);
}

/** Whether an account of that name is a program's: those have no password. */
export function isMachineName(accountName: string): boolean {
  return accountName.includes("+");
}

/** The full name of a robot. */
export function robotUsername(namespace: string, name: string): string {
  return `${namespace}+${name}`;
}
