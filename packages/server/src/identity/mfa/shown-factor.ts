import { AppError } from "../../lib/app-error.ts";
import type { Ticket } from "./ticket.ts";
import type { ShownFactor } from "./verify-factor.ts";

/** The one factor in a body. `REQUEST_INVALID` for none or several, and for a security key that was not asked for. */
export function shownFactorIn(
  body: {
    readonly code?: string | undefined;
    readonly recoveryCode?: string | undefined;
    readonly securityKey?: unknown;
  },
  ticket: Ticket | undefined,
): ShownFactor {
  const { code, recoveryCode, securityKey } = body;
  const challenge = ticket?.challenge;
  const shown: ShownFactor[] = [];
  if (code !== undefined) shown.push({ kind: "totp", code });
  if (recoveryCode !== undefined) shown.push({ kind: "recovery-code", code: recoveryCode });
  if (securityKey !== undefined && challenge !== undefined) {
    shown.push({ kind: "security-key", challenge, response: securityKey });
  }
  const [first] = shown;
  if (first !== undefined && shown.length === 1) return first;
  throw new AppError(
    "REQUEST_INVALID",
    "send one of code, recoveryCode and securityKey, the latter with the ticket that asked for it",
  );
}
