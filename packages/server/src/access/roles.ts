import type { RepositoryAction } from "./actions.ts";

/** What a grant gives. */
export const roles = ["read", "write", "admin"] as const;
export type Role = (typeof roles)[number];

/** Writers may delete what they may overwrite; only administrators of a repository change its settings. */
export const actionsOf: Readonly<Record<Role, readonly RepositoryAction[]>> = {
  read: ["pull"],
  write: ["pull", "push", "delete"],
  admin: ["pull", "push", "delete", "admin"],
};

export function toRole(text: string): Role {
  return roles.find((role) => role === text) ?? "read";
}
