import type { Namespace } from "./namespace-store.ts";

/** A namespace as replies and audit entries show it. */
export function describeNamespace(namespace: Namespace) {
  return {
    name: namespace.name,
    kind: namespace.kind,
    displayName: namespace.displayName ?? null,
    description: namespace.description,
    email: namespace.email ?? null,
    defaultVisibility: namespace.defaultVisibility,
    createOnPush: namespace.createOnPush,
    createdAtMs: namespace.createdAtMs,
  };
}
