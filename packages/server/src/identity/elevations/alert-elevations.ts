import type { StoredEntry } from "../../activity/audit/audit-store.ts";
import { elevationIdsOf, showEntry } from "../../activity/audit/show-entry.ts";
import { signPost } from "../../activity/audit/sign-post.ts";
import { tryParseEmailAddress } from "../../lib/email-address.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import {
  type AlertingRole,
  advanceMailed,
  advancePosted,
  listAlertingRoles,
  listElevatedAfter,
  listElevationsTo,
} from "./alert-store.ts";
import { referenceOf, sealContext } from "./manage-elevation-roles.ts";

const batch = 50;
const firstPauseMs = 2_000;
const longestPauseMs = 300_000;

/**
 * Tells whoever a role names what is done under it, from the sealed entries of the audit log: that it is assumed, every action of its holder, and its
 * end. A mail is queued in the transaction that says so; a webhook is posted to at least once, and later when it does not answer. Must not run twice
 * at a time: webhooks would hear things twice.
 */
export async function alertElevations(deps: IdentityDeps): Promise<void> {
  for (const role of await listAlertingRoles(deps.database.read)) {
    if (role.mail.length > 0) await mail(deps, role);
    if (role.url !== undefined) await post(deps, role, role.url);
  }
}

/** Whether there is anything to look at: most registries have nothing, all day. */
export async function hasAlerts(deps: IdentityDeps): Promise<boolean> {
  const db = deps.database.read;
  for (const role of await listAlertingRoles(db)) {
    const cursors = [
      ...(role.mail.length > 0 ? [role.mailedSequence] : []),
      ...(role.url !== undefined && role.nextPostAtMs <= deps.clock.nowMs() ? [role.postedSequence] : []),
    ];
    if (cursors.length > 0 && (await listElevatedAfter(db, Math.min(...cursors), 1)).length > 0) return true;
  }
  return false;
}

async function mail(deps: IdentityDeps, role: AlertingRole): Promise<void> {
  const news = await newsOf(deps, role, role.mailedSequence);
  if (news === undefined) return;
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    if (!(await advanceMailed(tx, role, news.sequence)) || news.entries.length === 0) return;
    for (const text of role.mail) {
      const to = tryParseEmailAddress(text);
      if (to === undefined) continue;
      const title = `${news.entries.length} actions under the role ${referenceOf(role)}`;
      await deps.mails.queue(tx, {
        to,
        kind: "notice",
        data: { title, lines: news.entries.map(lineOf) },
        nowMs,
      });
    }
  });
}

async function post(deps: IdentityDeps, role: AlertingRole, url: string): Promise<void> {
  const nowMs = deps.clock.nowMs();
  if (role.nextPostAtMs > nowMs) return;
  const news = await newsOf(deps, role, role.postedSequence);
  if (news === undefined) return;
  const outcome = news.entries.length === 0 || (await send(deps, role, url, news.entries));
  const failures = role.postFailures + 1;
  const pauseMs = Math.min(firstPauseMs * 2 ** Math.min(failures - 1, 10), longestPauseMs);
  await deps.database.transaction((tx) =>
    advancePosted(
      tx,
      role,
      outcome ? { sequence: news.sequence } : { failures, nextPostAtMs: nowMs + pauseMs },
    ),
  );
}

async function send(
  deps: IdentityDeps,
  role: AlertingRole,
  url: string,
  entries: readonly StoredEntry[],
): Promise<boolean> {
  const body = JSON.stringify({ role: referenceOf(role), entries: entries.map(showEntry) });
  const secret = role.secret === undefined ? "" : deps.secretBox.open(role.secret, sealContext);
  const headers = { "content-type": "application/json", ...signPost(secret, deps.clock.nowMs(), body) };
  try {
    const reply = await deps.outgoing.request(url, { method: "POST", headers, body, maxBytes: 65_536 });
    if (reply.status >= 200 && reply.status < 300) return true;
    deps.log.warn(
      { role: referenceOf(role), status: reply.status },
      "an alert was not taken; it is sent again",
    );
  } catch (error) {
    deps.log.warn({ role: referenceOf(role), error }, "an alert could not be sent; it is sent again");
  }
  return false;
}

/** What was done under the role after a place in the chain, and how far that goes; undefined = nothing under any. */
async function newsOf(
  deps: IdentityDeps,
  role: AlertingRole,
  after: number,
): Promise<{ readonly entries: readonly StoredEntry[]; readonly sequence: number } | undefined> {
  const db = deps.database.read;
  const found = await listElevatedAfter(db, after, batch);
  const sequence = found.at(-1)?.sequence;
  if (sequence == null) return undefined;
  const ours = await listElevationsTo(db, role.id, [...new Set(found.flatMap(elevationIdsOf))]);
  return { entries: found.filter((entry) => elevationIdsOf(entry).some((id) => ours.has(id))), sequence };
}

function lineOf(entry: StoredEntry): string {
  const at = new Date(entry.at_ms).toISOString();
  const from = entry.address === null ? "" : ` from ${entry.address}`;
  return `${at} ${entry.actor}${from}: ${entry.action} (${entry.outcome}), ${entry.target}`;
}
