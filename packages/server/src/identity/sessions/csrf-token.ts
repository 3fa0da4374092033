import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { AppError } from "../../lib/app-error.ts";

/**
 * What a page of ours sends in `x-csrf-token` with everything that changes something: only a page that may read our replies has it. Follows from
 * the session's secret, so nothing need be stored, and says nothing of it.
 */
export function csrfTokenOf(sessionSecret: string): string {
  return createHash("sha256").update(`csrf ${sessionSecret}`).digest("base64url");
}

/** `CROSS_SITE` when the header is missing or of another session. */
export function checkCsrfToken(headers: IncomingHttpHeaders, sessionSecret: string): void {
  const given = headers["x-csrf-token"];
  const right = Buffer.from(csrfTokenOf(sessionSecret));
  const shown = Buffer.from(typeof given === "string" ? given : "");
  if (shown.length === right.length && timingSafeEqual(shown, right)) return;
  throw new AppError(
    "CROSS_SITE",
    "send the session's token in the header x-csrf-token; GET /api/v1/session tells it",
  );
}
