import { isBelow, surfaceOf } from "./error-reply.ts";

/** Replies that no page has a use for but the registry's own, and that show nothing when a browser is led to them. */
const management: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "same-origin",
};
/** What it tells depends on who asks, and much of it is secret. */
const api: Readonly<Record<string, string>> = { ...management, "cache-control": "no-store" };
const oci: Readonly<Record<string, string>> = {};

/**
 * What keeps browsers from misusing a reply. A handler that serves a page sets its own policy in place of these; the clients of OCI are no browsers, and
 * caches in front of them should cache.
 */
export function securityHeaders(pathname: string): Readonly<Record<string, string>> {
  if (surfaceOf(pathname) === "oci") return oci;
  return isBelow(pathname, "/api/v1") ? api : management;
}
