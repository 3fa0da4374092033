import { namespaceOf } from "../../access/create-access.ts";
import type { Answered } from "../../http/answered.ts";
import type { Clock } from "../../lib/clock.ts";
import { createLru } from "../../lib/create-lru.ts";
import type { AuditTrail } from "./audit-trail.ts";
import { createPullRepeats } from "./pull-repeats.ts";
import type { AuditEntry, AuditSource } from "./record-audit.ts";

export interface RecordingSettings {
  readonly pulls: "all" | "sampled" | "off";
  /** With "sampled": one pull in so many. */
  readonly pullsOneIn: number;
  /** Within it the repeats of a pull are put together; 0 = each is written down by itself. */
  readonly pullsWindowMs: number;
  readonly denials: "on" | "off";
  readonly defaultNamespace: string;
}

/** A sign-in by the same user from the same place with the same kind of credential is written down again only after so long. */
const signInMs = 600_000;
/** Refusals from one address that are written down one by one in a minute; the rest is counted. */
const maxRefusals = 100;
const refusalWindowMs = 60_000;

export interface AnsweredRecorder {
  /** To be told of every request that was answered. Never throws, never waits. */
  record(answered: Answered): void;
  /** Writes down the repeats of pulls whose window is over. */
  sweep(): void;
  /** Writes down all of them. */
  close(): void;
}

/**
 * Writes down what requests did that changed nothing: pulls of manifests, refusals of somebody in particular, and that somebody signed in. Of a
 * refusal only what says who and where is kept, never the address that was asked for: there may be a secret in it.
 */
export function createAnsweredRecorder(
  deps: { readonly trail: AuditTrail; readonly clock: Clock },
  settings: RecordingSettings,
): AnsweredRecorder {
  const repeats = createPullRepeats({
    clock: deps.clock,
    windowMs: settings.pullsWindowMs,
    note: (source, entry) => deps.trail.note(source, entry),
  });
  const signIns = createLru<string, number>(20_000);
  const refusals = createLru<string, { startedAtMs: number; count: number }>(20_000);
  let pulls = 0;

  function recordPull(answered: Answered): void {
    pulls += 1;
    if (settings.pulls === "sampled" && pulls % settings.pullsOneIn !== 0) return;
    const { name = "", reference = "" } = answered.params;
    const oneIn = settings.pulls === "sampled" ? { oneIn: settings.pullsOneIn } : {};
    const entry: AuditEntry = {
      action: "manifest.pull",
      target: reference.includes(":") ? `${name}@${reference}` : `${name}:${reference}`,
      ...placeOf(name),
      detail: { digest: answered.digest ?? null, ...oneIn },
    };
    if (!repeats.isRepeat(answered, entry)) deps.trail.note(answered, entry);
  }

  function recordRefusal(answered: Answered): void {
    const { endpoint, params, presentedName, actor, code = "" } = answered;
    const isKnown = actor.kind !== "anonymous";
    if (!isKnown && presentedName === undefined) return;
    if (!isWithinLimit(answered)) return;
    const { name } = params;
    const place = name === undefined ? {} : placeOf(name);
    const namespace = params["namespace"];
    deps.trail.note(answered, {
      action: isKnown ? (endpoint?.id ?? "request") : "sign-in",
      outcome: "denied",
      target: isKnown ? (name ?? namespace ?? endpoint?.path ?? "") : `user ${presentedName}`,
      ...(namespace === undefined ? {} : { namespace }),
      ...place,
      detail: { code, status: answered.status, ...(isKnown ? {} : { endpoint: endpoint?.id ?? null }) },
    });
  }

  /** Nobody fills the database by being refused. */
  function isWithinLimit(answered: Answered): boolean {
    const address = answered.client.address;
    const nowMs = deps.clock.nowMs();
    const found = refusals.get(address);
    if (found === undefined || Math.abs(nowMs - found.startedAtMs) >= refusalWindowMs) {
      if (found !== undefined) tellUnlisted(answered, found.count - maxRefusals);
      refusals.set(address, { startedAtMs: nowMs, count: 1 });
      return true;
    }
    found.count += 1;
    return found.count <= maxRefusals;
  }

  function tellUnlisted(source: AuditSource, count: number): void {
    if (count <= 0) return;
    deps.trail.note(source, {
      action: "request.refusals",
      outcome: "denied",
      target: `${count} more refusals from this address`,
      detail: { count },
    });
  }

  function recordSignIn(answered: Answered): void {
    const { actor, client } = answered;
    if (actor.kind !== "user" || actor.credential === "bearer-token" || actor.credential === "session")
      return;
    const key = `${actor.userId} ${actor.credential} ${actor.accessTokenId ?? ""} ${client.address}`;
    const nowMs = deps.clock.nowMs();
    if (Math.abs(nowMs - (signIns.get(key) ?? Number.NEGATIVE_INFINITY)) < signInMs) return;
    signIns.set(key, nowMs);
    deps.trail.note(answered, { action: "sign-in", target: `user ${actor.username}` });
  }

  function placeOf(repository: string): { readonly repository: string; readonly namespace: string } {
    return { repository, namespace: namespaceOf(repository, settings.defaultNamespace) };
  }

  function record(answered: Answered): void {
    const { status, endpoint } = answered;
    recordSignIn(answered);
    if (endpoint?.id === "manifests.get" && status === 200 && settings.pulls !== "off") recordPull(answered);
    const isRefusal =
      status === 401 || status === 403 || (status === 429 && answered.code === "TOOMANYREQUESTS");
    if (isRefusal && settings.denials === "on") recordRefusal(answered);
  }

  return { record, sweep: () => repeats.sweep(), close: () => repeats.close() };
}
