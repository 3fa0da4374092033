import type { IncomingHttpHeaders } from "node:http";
import { isObject } from "@entrepot/oci/json-object";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { cookieNameFor } from "../sessions/session-cookie.ts";

/** What must be known again when the browser comes back; lies sealed in its cookie, so that it needs no row and any instance can go on. */
export interface SignInState {
  readonly provider: string;
  readonly state: string;
  readonly kept: string;
  readonly returnTo: string;
  /** Set when somebody who is signed in links another identity. */
  readonly linksUserId: number | undefined;
  /** Set when the owner of a session proves again that it is theirs. */
  readonly stepUp: SteppedUp | undefined;
}

export interface SteppedUp {
  readonly sessionId: number;
  readonly userId: number;
  readonly sinceMs: number;
}

const lifetimeMs = 600_000;
const context = "sign-in state";
const path = "/api/v1/sign-in/";

/** `REQUEST_INVALID` where a cookie would be read on the way. */
export function sealState(deps: IdentityDeps, state: SignInState, origin: string): string {
  const name = nameFor(origin);
  if (name === undefined) {
    throw new AppError(
      "REQUEST_INVALID",
      "browsers sign in over https only; behind a proxy that speaks it, set publicUrl or trustProxy",
    );
  }
  const expiresAtMs = deps.clock.nowMs() + lifetimeMs;
  const sealed = deps.secretBox.seal(JSON.stringify({ ...state, expiresAtMs }), context);
  // Lax, as the provider sends the browser back from its own site.
  return `${name}=${sealed}; Path=${path}; Max-Age=${lifetimeMs / 1_000}; HttpOnly; SameSite=Lax${secure(origin)}`;
}

/** Ends it: a callback is answered once. */
export function clearState(origin: string): string {
  return `${nameFor(origin) ?? ""}=; Path=${path}; Max-Age=0; HttpOnly; SameSite=Lax${secure(origin)}`;
}

/** The state that this browser began with. `DENIED` when there is none, it is too old, or of another provider. */
export function openState(
  deps: IdentityDeps,
  headers: IncomingHttpHeaders,
  of: { readonly origin: string; readonly provider: string },
): SignInState {
  const sealed = cookieIn(headers, nameFor(of.origin));
  const value = sealed === undefined ? undefined : openSealed(deps, sealed);
  if (!isObject(value)) throw notBegun();
  const { provider, state, kept, returnTo, linksUserId, stepUp, expiresAtMs } = value;
  const isWhole =
    typeof state === "string" &&
    typeof kept === "string" &&
    typeof returnTo === "string" &&
    typeof expiresAtMs === "number";
  if (!isWhole || provider !== of.provider || expiresAtMs <= deps.clock.nowMs()) throw notBegun();
  return {
    provider: of.provider,
    state,
    kept,
    returnTo,
    linksUserId: typeof linksUserId === "number" ? linksUserId : undefined,
    // as: nobody but `sealState` has sealed it
    stepUp: isObject(stepUp) ? (stepUp as unknown as SteppedUp) : undefined,
  };
}

function openSealed(deps: IdentityDeps, sealed: string): unknown {
  try {
    return JSON.parse(deps.secretBox.open(sealed, context));
  } catch {
    return undefined;
  }
}

function cookieIn(headers: IncomingHttpHeaders, name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const values = (headers.cookie ?? "").split(";").flatMap((part) => {
    const text = part.trim();
    return text.startsWith(`${name}=`) ? [text.slice(name.length + 1)] : [];
  });
  return values.length === 1 ? values[0] : undefined;
}

/** Not `__Host-`, which would go with every request: this one goes back to the callback only. `__Secure-` keeps plain http from setting it. */
function nameFor(origin: string): string | undefined {
  if (cookieNameFor(origin) === undefined) return undefined;
  return isHttps(origin) ? "__Secure-entrepot-sign-in" : "entrepot-sign-in";
}

function secure(origin: string): string {
  return isHttps(origin) ? "; Secure" : "";
}

function isHttps(origin: string): boolean {
  return new URL(origin).protocol === "https:";
}

function notBegun(): AppError {
  return new AppError("DENIED", "this sign-in was not begun in this browser, or too long ago; start again");
}
