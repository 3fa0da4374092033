import type { Reply } from "./endpoint.ts";
import { errorTable, type PublicError } from "./error-table.ts";

/** Which form an error takes: OCI's under /v2 and /token, RFC 9457 problem details elsewhere. */
export type Surface = "oci" | "management";

export function surfaceOf(pathname: string): Surface {
  return isBelow(pathname, "/v2") || isBelow(pathname, "/token") ? "oci" : "management";
}

/** Whether a path is `root` or lies below it: /v2 and /v2/, not /v2x. */
export function isBelow(pathname: string, root: string): boolean {
  return pathname === root || pathname.startsWith(`${root}/`);
}

/** The reply for an error. `requestId` is what a person quotes to the operator. */
export function errorReply(error: PublicError, surface: Surface, requestId: string): Reply {
  const form = errorTable[error.code];
  const headers =
    error.retryAfterSeconds === undefined ? {} : { "retry-after": String(error.retryAfterSeconds) };
  if (surface === "oci") {
    const detail = error.detail === undefined ? {} : { detail: error.detail };
    return {
      status: form.status,
      headers,
      body: { kind: "json", value: { errors: [{ code: form.ociCode, message: error.message, ...detail }] } },
    };
  }
  const status = form.managementStatus ?? form.status;
  const problem = { type: "about:blank", title: error.code, status, detail: error.message, requestId };
  return {
    status,
    headers: { ...headers, "content-type": "application/problem+json" },
    body: { kind: "json", value: problem },
  };
}
