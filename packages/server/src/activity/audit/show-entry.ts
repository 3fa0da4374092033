import type { StoredEntry } from "./audit-store.ts";

/** An entry as the API, exports and forwarders show it. */
export interface ShownEntry {
  readonly id: number;
  readonly sequence: number | null;
  readonly atMs: number;
  readonly action: string;
  readonly outcome: string;
  readonly actor: string;
  readonly actorUserId: number | null;
  readonly credential: string | null;
  readonly credentialId: number | null;
  readonly address: string | null;
  readonly userAgent: string | null;
  readonly requestId: string | null;
  readonly namespace: string | null;
  readonly repository: string | null;
  readonly target: string;
  readonly before: unknown;
  readonly after: unknown;
  readonly detail: unknown;
  readonly elevations: readonly number[];
  readonly hash: string | null;
}

export function showEntry(entry: StoredEntry): ShownEntry {
  return {
    id: entry.id,
    sequence: entry.sequence,
    atMs: entry.at_ms,
    action: entry.action,
    outcome: entry.outcome,
    actor: entry.actor,
    actorUserId: entry.actor_user_id,
    credential: entry.credential,
    credentialId: entry.credential_id,
    address: entry.address,
    userAgent: entry.user_agent,
    requestId: entry.request_id,
    namespace: entry.namespace,
    repository: entry.repository,
    target: entry.target,
    before: parsed(entry.before),
    after: parsed(entry.after),
    detail: parsed(entry.detail),
    elevations: elevationIdsOf(entry),
    hash: entry.hash,
  };
}

/** The ids in ",3,17,". */
export function elevationIdsOf(entry: Pick<StoredEntry, "elevations">): readonly number[] {
  const parts = (entry.elevations ?? "").split(",");
  return parts.filter((part) => part !== "").map(Number);
}

function parsed(text: string | null): unknown {
  return text === null ? null : (JSON.parse(text) as unknown);
}
