import { formatScopes, type Scope } from "@entrepot/oci/scope";
import type { AuditSource } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { isUsername } from "../users/username.ts";
import type { IssuedToken } from "./issue-token.ts";
import type { TokenForm } from "./token-schema.ts";

/** Writes down that somebody got a token, and for what; nobody in particular gets them all day. */
export function noteToken(
  deps: Pick<IdentityDeps, "trail">,
  source: AuditSource,
  token: {
    readonly requested: readonly Scope[];
    readonly issued: IssuedToken;
    readonly how: "token.issue" | "token.refresh";
  },
): void {
  const { actor } = source;
  if (actor.kind === "anonymous") return;
  const requested = formatScopes(token.requested);
  const granted = formatScopes(token.issued.scopes);
  deps.trail.note(source, {
    action: token.how,
    target: `user ${actor.username}`,
    outcome: requested !== "" && granted === "" ? "denied" : "succeeded",
    detail: { requested: requested.slice(0, 2_000), granted: granted.slice(0, 2_000) },
  });
}

/** Writes down that a sign-in at the token service was refused, if it was somebody's: wrong passwords get typed into the field for the name. */
export function noteRefusal(
  deps: Pick<IdentityDeps, "trail">,
  source: AuditSource,
  form: TokenForm,
  error: unknown,
): void {
  const isRefusal =
    error instanceof AppError && (error.code === "UNAUTHORIZED" || error.code === "TOOMANYREQUESTS");
  const name = form.username ?? "";
  if (!isRefusal || !isUsername(name)) return;
  const detail = { code: error.code, endpoint: "token.post" };
  deps.trail.note(source, { action: "sign-in", outcome: "denied", target: `user ${name}`, detail });
}
