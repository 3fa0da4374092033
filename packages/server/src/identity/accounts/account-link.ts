import { AppError } from "../../lib/app-error.ts";
import { newSecret } from "../../lib/ids.ts";
import type { SecretBox } from "../../lib/secret-box.ts";

export const hourMs = 3_600_000;
export const confirmationHours = 24;
export const resetMinutes = 30;

/** What a link carries, and what is kept of it. */
export function newLinkToken(secretBox: SecretBox): { readonly token: string; readonly tokenHash: string } {
  const token = newSecret();
  return { token, tokenHash: secretBox.hash(token) };
}

/** Behind a "#", which browsers send to nobody: not to a proxy, not to a log, not in a Referer. A GET of the page alone changes nothing. */
export function linkPath(page: "confirm-email" | "reset-password", token: string): string {
  return `/account/${page}#token=${token}`;
}

/** One sentence for unknown, used and expired. */
export function deadLink(): AppError {
  return new AppError("NOT_FOUND", "the link is unknown, was used before, or has expired");
}
