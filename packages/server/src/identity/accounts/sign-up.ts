import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { domainOf, type EmailAddress, tryParseEmailAddress } from "../../lib/email-address.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { checkUsername } from "../users/create-user.ts";
import { confirmationHours, hourMs, linkPath, newLinkToken } from "./account-link.ts";
import { findCardByEmail, insertSignUp, isNameTaken } from "./account-store.ts";

const mailKinds = ["sign-up", "sign-up-known-address", "sign-up-name-taken"] as const;
/** Mails about signing up that one address gets in an hour, whoever asks. */
const maxMailsAnHour = 4;

export interface SignUpRequest {
  readonly username: string;
  readonly email: string;
  readonly password: string;
}

/**
 * Asks for an account. There is none until the link in the mail is followed; then it has the password given here. What the mail says depends on
 * whether address or name are taken, what the caller is told does not. `DENIED` when people do not sign up here, or not with such an address;
 * `REQUEST_INVALID` for a name, address or password that is none. May be repeated: each request has its own link, and the first one followed wins.
 */
export async function signUp(deps: IdentityDeps, call: Call, request: SignUpRequest): Promise<void> {
  const { username } = request;
  const email = checkAddress(deps, request.email);
  checkUsername(username, deps.defaultNamespace);
  // In every case, also so that it takes as long in every case.
  const passwordHash = await deps.passwords.hash(request.password, { username, email });
  const nowMs = deps.clock.nowMs();
  const { token, tokenHash } = newLinkToken(deps.secretBox);
  await deps.database.transaction(async (tx) => {
    const outcome = await judge(deps, tx, { username, email, nowMs });
    await recordAudit(tx, call, nowMs, {
      action: "user.sign-up",
      target: `user ${username}`,
      outcome: outcome === "new" ? "succeeded" : "denied",
      detail: { email, outcome },
    });
    if (outcome === "flooded") return;
    const mail = { to: email, nowMs };
    if (outcome === "new") {
      const expiresAtMs = nowMs + confirmationHours * hourMs;
      await insertSignUp(tx, { username, email, passwordHash, tokenHash, nowMs, expiresAtMs });
      await deps.mails.queue(tx, {
        ...mail,
        kind: "sign-up",
        data: { username, path: linkPath("confirm-email", token), hours: confirmationHours },
        uselessAfterMs: expiresAtMs,
      });
    } else if (outcome === "name-taken") {
      await deps.mails.queue(tx, { ...mail, kind: "sign-up-name-taken", data: { username } });
    } else {
      await deps.mails.queue(tx, {
        ...mail,
        kind: "sign-up-known-address",
        data: { username: outcome.knownAs },
      });
    }
  });
}

type Outcome = "new" | "flooded" | "name-taken" | { readonly knownAs: string };

async function judge(
  deps: IdentityDeps,
  tx: Tx,
  {
    username,
    email,
    nowMs,
  }: { readonly username: string; readonly email: EmailAddress; readonly nowMs: number },
): Promise<Outcome> {
  const limits = { to: email, kinds: mailKinds, sinceMs: nowMs - hourMs, limit: maxMailsAnHour };
  const owner = await findCardByEmail(tx, email);
  const isTaken = await isNameTaken(tx, username);
  if (await deps.mails.isFlooded(tx, limits)) return "flooded";
  if (owner !== undefined) return { knownAs: owner.username };
  return isTaken ? "name-taken" : "new";
}

function checkAddress({ accounts }: IdentityDeps, text: string): EmailAddress {
  if (accounts.signUp === "off")
    throw new AppError("DENIED", "people do not sign up here; ask an administrator");
  if (accounts.signUp === "invitation") {
    throw new AppError("DENIED", "people sign up here by invitation only; follow the link in yours");
  }
  const email = tryParseEmailAddress(text);
  if (email === undefined) throw new AppError("REQUEST_INVALID", "`email` is no e-mail address");
  if (accounts.signUp === "domains" && !accounts.allowedDomains.includes(domainOf(email))) {
    throw new AppError("DENIED", "people with an address of this domain do not sign up here");
  }
  return email;
}
