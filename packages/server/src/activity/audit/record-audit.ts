import { type Actor, actorName } from "../../access/actor.ts";
import type { Call } from "../../http/endpoint.ts";
import type { Tx } from "../../storage/database/database.ts";
import { insertAuditEntry } from "./audit-store.ts";

/** What an entry says happened. Never holds a secret: `before`, `after` and `detail` are read by auditors. */
export interface AuditEntry {
  /** Area and verb: "team.create". */
  readonly action: string;
  /** What it was done to, for a person: "team acme/release". */
  readonly target: string;
  /** Where it belongs, so that those who administer the place see it. */
  readonly namespace?: string | undefined;
  readonly repository?: string | undefined;
  /** 'succeeded' unless said otherwise. */
  readonly outcome?: "succeeded" | "denied" | "failed";
  readonly before?: Json;
  readonly after?: Json;
  readonly detail?: Json;
}

export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

/** Who did it and from where: a call, or somebody in particular when the registry acts by itself. */
export type AuditSource = Pick<Call, "actor" | "client"> & { readonly requestId: string | undefined };

/** Writes down what was done, in the transaction that does it: either both are committed or neither. */
export async function recordAudit(
  tx: Tx,
  source: AuditSource,
  nowMs: number,
  entry: AuditEntry,
): Promise<void> {
  const { actor, client } = source;
  await insertAuditEntry(tx, {
    at_ms: nowMs,
    action: entry.action,
    outcome: entry.outcome ?? "succeeded",
    actor: actorName(actor),
    ...credentialOf(actor),
    address: client?.address ?? null,
    user_agent: client?.userAgent ?? null,
    request_id: source.requestId ?? null,
    namespace: entry.namespace ?? null,
    repository: entry.repository ?? null,
    target: entry.target,
    before: toText(entry.before),
    after: toText(entry.after),
    detail: toText(entry.detail),
  });
}

function credentialOf(actor: Actor) {
  if (actor.kind !== "user") return { actor_user_id: null, credential: null, credential_id: null };
  const { userId, credential, accessTokenId, sessionId } = actor;
  return { actor_user_id: userId, credential, credential_id: accessTokenId ?? sessionId ?? null };
}

function toText(value: Json | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
