import { type Actor, actorName, type ExternalActor } from "../../access/actor.ts";
import type { Call } from "../../http/endpoint.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { Statement } from "../../storage/database/send-together.ts";
import { type AuditRow, auditInsert, insertAuditEntries } from "./audit-store.ts";

/** What an entry says happened. Never holds a secret: `before`, `after` and `detail` are read by auditors. */
export interface AuditEntry {
  /** Area and verb: "team.create". */
  readonly action: string;
  /** What it was done to, for a person: "team acme/release". */
  readonly target: string;
  /** Where it belongs, so that those who administer the place see it. Absent = what the repository's name says. */
  readonly namespace?: string | undefined;
  readonly repository?: string | undefined;
  /** 'succeeded' unless said otherwise. */
  readonly outcome?: "succeeded" | "denied" | "failed";
  readonly before?: Json;
  readonly after?: Json;
  readonly detail?: Json;
  /** Elevations that it is about, beside those that the actor holds. */
  readonly elevationIds?: readonly number[];
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

const registryActor: ExternalActor = {
  kind: "external",
  authority: "registry",
  principal: "registry",
  username: "registry",
  limits: undefined,
  credentialScopes: undefined,
};

/** For what nobody asked for: chores, the first start. */
export const byRegistry: AuditSource = { actor: registryActor, client: undefined, requestId: undefined };

/** As `byRegistry`, under the name of a part of it: "garbage-collection". */
export function byPartOfRegistry(username: string): AuditSource {
  return { ...byRegistry, actor: { ...registryActor, username } };
}

/** Writes down what was done, in the transaction that does it: either both are committed or neither. */
export async function recordAudit(
  tx: Tx,
  source: AuditSource,
  nowMs: number,
  entry: AuditEntry,
): Promise<void> {
  await insertAuditEntries(tx, [toAuditRow(source, nowMs, entry)]);
}

/** As `recordAudit`, for a transaction that sends its last statements together. */
export function auditEntry(tx: Tx, source: AuditSource, nowMs: number, entry: AuditEntry): Statement {
  return auditInsert(tx, [toAuditRow(source, nowMs, entry)]);
}

/** The row of an entry. Texts from outside are cut to what a person can read and made such that both engines store them. */
export function toAuditRow(source: AuditSource, nowMs: number, entry: AuditEntry): AuditRow {
  const { actor, client } = source;
  const { repository } = entry;
  return {
    at_ms: nowMs,
    action: entry.action,
    outcome: entry.outcome ?? "succeeded",
    actor: clean(actorName(actor), 255),
    ...credentialOf(actor),
    address: client === undefined ? null : clean(client.address, 100),
    user_agent: client?.userAgent === undefined ? null : clean(client.userAgent, 200),
    request_id: source.requestId ?? null,
    namespace: cleanOrNull(entry.namespace ?? namespaceIn(repository)),
    repository: cleanOrNull(repository),
    target: clean(entry.target, 1_024),
    before: toText(entry.before),
    after: toText(entry.after),
    detail: toText(entry.detail),
    elevations: elevationsOf(actor, entry.elevationIds),
  };
}

function namespaceIn(repository: string | undefined): string | undefined {
  const slash = repository?.indexOf("/") ?? -1;
  return slash < 0 ? undefined : repository?.slice(0, slash);
}

function elevationsOf(actor: Actor, about: readonly number[] = []): string | null {
  const held = actor.kind === "user" ? (actor.elevationIds ?? []) : [];
  const ids = [...new Set([...held, ...about])];
  return ids.length === 0 ? null : `,${ids.join(",")},`;
}

function credentialOf(actor: Actor) {
  if (actor.kind !== "user") return { actor_user_id: null, credential: null, credential_id: null };
  const { userId, credential, accessTokenId, sessionId } = actor;
  return { actor_user_id: userId, credential, credential_id: accessTokenId ?? sessionId ?? null };
}

function cleanOrNull(text: string | undefined): string | null {
  return text === undefined ? null : clean(text, 255);
}

/** PostgreSQL stores no NUL, and half a surrogate pair is no text. */
function clean(text: string, maxLength: number): string {
  return text.slice(0, maxLength).replaceAll("\0", "\u{FFFD}").toWellFormed();
}

/** `JSON.stringify` escapes what `clean` replaces. */
function toText(value: Json | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
