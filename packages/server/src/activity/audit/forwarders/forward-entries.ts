import { hostname } from "node:os";
import type { Clock } from "../../../lib/clock.ts";
import { newUuid } from "../../../lib/ids.ts";
import type { Log } from "../../../lib/log.ts";
import type { OutgoingHttp } from "../../../lib/outgoing-http.ts";
import type { SecretBox } from "../../../lib/secret-box.ts";
import type { Database } from "../../../storage/database/database.ts";
import { acquireLease, releaseLease } from "../../../storage/database/lease-store.ts";
import type { SealedEntry } from "../audit-store.ts";
import { findChain, listSealedAfter } from "../chain-store.ts";
import { showEntry } from "../show-entry.ts";
import { signPost } from "../sign-post.ts";
import { formatSyslog, frameOctets } from "./format-syslog.ts";
import {
  type Forwarder,
  type ForwarderSecrets,
  findForwarder,
  listForwarders,
  recordAttempt,
} from "./forwarder-store.ts";
import { type SyslogOptions, sendSyslog } from "./send-syslog.ts";

export interface ForwardingDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly secretBox: SecretBox;
  readonly outgoing: OutgoingHttp;
  readonly syslog: SyslogOptions;
  readonly version: string;
}

const batch = 500;
const leaseMs = 120_000;
const firstPauseMs = 1_000;
const longestPauseMs = 300_000;
const roundsAtOnce = 20;

/**
 * Sends each forwarder what it has not got yet, in the order of the chain, and notes how far it has come only when that has arrived: at least once, nothing left
 * out. One that fails is tried again after a pause that grows to five minutes; the others do not wait for it. Nobody who writes an entry waits for any.
 */
export async function forwardEntries(deps: ForwardingDeps): Promise<void> {
  const chain = await findChain(deps.database.read);
  if (chain === undefined) return;
  const nowMs = deps.clock.nowMs();
  const due = (await listForwarders(deps.database.read)).filter(
    (forwarder) =>
      forwarder.isEnabled &&
      forwarder.nextAttemptAtMs <= nowMs &&
      forwarder.sentSequence < chain.head.sequence,
  );
  await Promise.all(due.map((forwarder) => forward(deps, forwarder.name)));
}

async function forward(deps: ForwardingDeps, name: string): Promise<void> {
  const { database, clock } = deps;
  const lease = { name: `audit-forwarder ${name}`, holder: newUuid() };
  const nowMs = clock.nowMs();
  const isMine = await database.transaction(
    (tx) => acquireLease(tx, { ...lease, nowMs, untilMs: nowMs + leaseMs }),
    { durable: false },
  );
  if (!isMine) return;
  try {
    for (let round = 0; round < roundsAtOnce; round += 1) {
      // As it is now: another instance may have gone on since the look.
      const forwarder = await findForwarder(database.read, name);
      if (forwarder === undefined || !(await sendBatch(deps, forwarder))) return;
    }
  } finally {
    await database.transaction((tx) => releaseLease(tx, lease), { durable: false });
  }
}

/** True when there may be more. */
async function sendBatch(deps: ForwardingDeps, forwarder: Forwarder): Promise<boolean> {
  const { database, clock } = deps;
  const entries = await listSealedAfter(database.read, forwarder.sentSequence, batch);
  const [first] = entries;
  const last = entries.at(-1);
  if (first === undefined || last === undefined) return false;
  if (first.sequence > forwarder.sentSequence + 1) {
    const missing = first.sequence - forwarder.sentSequence - 1;
    deps.log.error(
      { forwarder: forwarder.name, missing },
      "audit entries were let go before they were forwarded",
    );
  }
  try {
    await send(deps, forwarder, entries);
  } catch (error) {
    await noteFailure(deps, forwarder, error);
    return false;
  }
  await database.transaction((tx) =>
    recordAttempt(tx, forwarder.id, { sentSequence: last.sequence, nowMs: clock.nowMs() }),
  );
  return entries.length === batch;
}

async function noteFailure(deps: ForwardingDeps, forwarder: Forwarder, error: unknown): Promise<void> {
  const failures = forwarder.failures + 1;
  const pauseMs = Math.min(firstPauseMs * 2 ** Math.min(failures - 1, 10), longestPauseMs);
  deps.log.warn({ error, forwarder: forwarder.name, failures }, "audit entries could not be forwarded");
  await deps.database.transaction((tx) =>
    recordAttempt(tx, forwarder.id, {
      failures,
      nextAttemptAtMs: deps.clock.nowMs() + pauseMs,
      error: error instanceof Error ? error.message.slice(0, 500) : "unknown",
    }),
  );
}

async function send(
  deps: ForwardingDeps,
  forwarder: Forwarder,
  entries: readonly SealedEntry[],
): Promise<void> {
  const { settings, name } = forwarder;
  // as: sealed by saveForwarder
  const secrets =
    forwarder.secret === undefined
      ? {}
      : (JSON.parse(deps.secretBox.open(forwarder.secret, sealContextOf(name))) as ForwarderSecrets);
  if (settings.kind === "syslog") {
    const from = { hostname: hostname(), version: deps.version, format: settings.format };
    const frames = entries.map((entry) => frameOctets(formatSyslog(entry, from)));
    await sendSyslog(settings, secrets.clientKey, frames, deps.syslog);
    return;
  }
  const body = `${entries.map((entry) => JSON.stringify(showEntry(entry))).join("\n")}\n`;
  const reply = await deps.outgoing.request(settings.url, {
    method: "POST",
    headers: {
      "content-type": "application/x-ndjson",
      ...signPost(secrets.secret ?? "", deps.clock.nowMs(), body),
    },
    body,
    timeoutMs: 30_000,
    maxBytes: 65_536,
  });
  if (reply.status < 200 || reply.status > 299) throw new Error(`the receiver answered ${reply.status}`);
}

/** A sealed secret opens for its own forwarder only. */
export function sealContextOf(name: string): string {
  return `audit forwarder ${name}`;
}
