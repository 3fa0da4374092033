import { hash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** By what a bearer token is known again without being kept: its SHA-256; undefined when none was shown. */
export function bearerMark(headers: IncomingHttpHeaders): string | undefined {
  const [, token] = /^bearer +(\S+) *$/i.exec(headers.authorization ?? "") ?? [];
  return token === undefined ? undefined : hash("sha256", token, "base64");
}
