import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { anonymous } from "../../access/actor.ts";
import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { updateUser } from "../users/user-store.ts";
import { applyStanding } from "./apply-standing.ts";
import {
  confirmIdentities,
  type Identity,
  listGroupsOfProvider,
  listIdentitiesOfProvider,
  lockIdentity,
  putGroupsOf,
  updateIdentity,
} from "./identity-store.ts";
import type { Providers } from "./open-providers.ts";
import { type DirectoryAnswer, groupKey, type ProviderPerson, type ReadDirectory } from "./provider.ts";
import { recordSync, type SignInProvider } from "./provider-store.ts";
import { admits, settleIdentity } from "./settle-identity.ts";
import { disableOwnRobots, lockStanding } from "./standing-store.ts";
import { listBindings, settleMemberships } from "./team-binding-store.ts";

/** What a pass did. */
export interface SyncReport {
  readonly atMs: number;
  readonly ok: boolean;
  readonly message: string;
  readonly known: number;
  readonly changed: number;
  readonly created: number;
  readonly lost: number;
  readonly refused: number;
  readonly missingGroups: readonly string[];
}

const limitMs = 600_000;
const pageSize = 1_000;
const defaultMaxLossPercent = 50;
/** So few may go at once whatever the share is. */
const alwaysFine = 5;
const dayMs = 86_400_000;
const system: AuditSource = { actor: { ...anonymous }, client: undefined, requestId: undefined };

/**
 * One pass over what a provider knows. Whoever it knows no more, or lets in no more, loses what came by it: memberships, standing, and the account itself
 * if it was made by it, tokens already issued and the robots of their own namespace included. Whoever is new in a bound group gets an account where the
 * policy makes some. A pass that would lose more than a share of all users does nothing and says so: that is a wrong filter more often than a mass leaving.
 * Repeatable; a pass that breaks off is made good by the next. `UNAVAILABLE` when the provider does not answer; the report says why.
 */
export async function synchronise(
  deps: IdentityDeps,
  providers: Providers,
  provider: SignInProvider,
  signal: AbortSignal,
): Promise<SyncReport> {
  const pass = createPass(deps, provider);
  try {
    const known = await pass.listKnown();
    const answer = await readAll(deps, providers, provider, known, signal);
    const report = await pass.apply(known, answer, signal);
    await store(deps, provider, report, report.ok);
    return report;
  } catch (error) {
    signal.throwIfAborted();
    const message = error instanceof AppError ? error.message : "the pass failed; the log says why";
    await store(deps, provider, { ...nothing(deps.clock.nowMs()), message }, false);
    throw error;
  }
}

/** Whether there is anything to look after in the background. */
export function hasPasses({ kind, settings, policy }: SignInProvider): boolean {
  if (policy.reconfirmAfterDays !== undefined || kind === "ldap") return true;
  return kind === "external-jwt" && Reflect.get(settings, "getUserUrl") !== undefined;
}

type Known = Identity & { readonly user: string };

/** Undefined where a provider cannot be asked who is there. */
async function readAll(
  deps: IdentityDeps,
  providers: Providers,
  provider: SignInProvider,
  known: readonly Known[],
  signal: AbortSignal,
): Promise<(DirectoryAnswer & { readonly asked: readonly string[] }) | undefined> {
  const bound = (await listBindings(deps.database.read, provider.id)).map(({ group }) => group);
  const {
    requiredGroups = [],
    adminGroups = [],
    auditorGroups = [],
    restrictedGroups = [],
  } = provider.policy;
  const meant = [requiredGroups, adminGroups, auditorGroups, restrictedGroups].flat();
  const asked = [...new Set([...bound, ...meant.map((name) => groupKey(provider.kind, name))])];
  return providers.use(
    provider,
    signal,
    async (opened, both) => {
      const read: ReadDirectory | undefined = opened.how === "password" ? opened.readDirectory : undefined;
      return read === undefined ? undefined : { ...(await read({ known, groups: asked }, both)), asked };
    },
    { limitMs },
  );
}

function createPass(deps: IdentityDeps, provider: SignInProvider) {
  const { database } = deps;

  async function listKnown(): Promise<readonly Known[]> {
    const all: Known[] = [];
    for (;;) {
      const lastId = all.at(-1)?.id ?? 0;
      const page = await listIdentitiesOfProvider(database.read, {
        providerId: provider.id,
        lastId,
        limit: pageSize,
      });
      all.push(...page);
      if (page.length < pageSize) return all;
    }
  }

  async function apply(
    known: readonly Known[],
    answer: (DirectoryAnswer & { readonly asked: readonly string[] }) | undefined,
    signal: AbortSignal,
  ): Promise<SyncReport> {
    const nowMs = deps.clock.nowMs();
    const there = new Map(answer?.people.map((person) => [person.subject, person]));
    const isThere = (one: Known): boolean => {
      if (answer === undefined) return !isOverdue(provider, one, nowMs);
      const person = there.get(one.subject);
      return person !== undefined && admits(provider, person);
    };
    const present = known.filter((one) => one.lostAtMs === undefined);
    const lost = present.filter((one) => !isThere(one));
    const problem = answer === undefined ? undefined : tooMany(provider, lost.length, present.length);
    if (problem !== undefined)
      return { ...nothing(nowMs), known: known.length, lost: lost.length, message: problem };
    for (const one of lost) {
      signal.throwIfAborted();
      await lose(deps, provider, one);
    }
    const found =
      answer === undefined ? { changed: 0, created: 0, refused: 0 } : await take(known, answer, signal);
    return {
      atMs: nowMs,
      ok: true,
      message: "done",
      known: known.length,
      lost: lost.length,
      ...found,
      missingGroups: answer?.missingGroups ?? [],
    };
  }

  /** Those who are there: known ones as far as anything changed, new ones by their groups. */
  async function take(
    known: readonly Known[],
    answer: DirectoryAnswer & { readonly asked: readonly string[] },
    signal: AbortSignal,
  ) {
    const counts = { changed: 0, created: 0, refused: 0 };
    const bySubject = new Map(known.map((one) => [one.subject, one]));
    const groupsOf = await listGroupsOfProvider(database.read, provider.id);
    // A group that is not there says nothing of who is in it.
    const told = new Set(answer.asked.filter((name) => !answer.missingGroups.includes(name)));
    const same: number[] = [];
    for (const person of answer.people) {
      signal.throwIfAborted();
      if (!admits(provider, person)) continue;
      const before = bySubject.get(person.subject);
      const held = before === undefined ? [] : (groupsOf.get(before.id) ?? []);
      const groups = person.groups === undefined ? undefined : merge(held, told, person.groups);
      if (before !== undefined && isSame(before, held, { ...person, groups })) {
        same.push(before.id);
        continue;
      }
      try {
        await settleIdentity(deps, provider, { ...person, groups }, { kind: "sync" }, system);
        if (before === undefined) counts.created += 1;
        else counts.changed += 1;
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== "DENIED") throw error;
        counts.refused += 1;
      }
    }
    await database.transaction((tx) => confirmIdentities(tx, same, deps.clock.nowMs()), { durable: false });
    return counts;
  }

  return { listKnown, apply };
}

/** An identity that the provider does not vouch for any more. */
async function lose(deps: IdentityDeps, provider: SignInProvider, known: Known): Promise<void> {
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    const identity = await lockIdentity(tx, { providerId: provider.id, subject: known.subject });
    const user = identity === undefined ? undefined : await lockStanding(tx, identity.userId);
    if (identity === undefined || user === undefined || identity.lostAtMs !== undefined) return;
    // They may have signed in through it while the pass ran: the provider's fresh word counts.
    if (identity.confirmedAtMs > known.confirmedAtMs) return;
    await applyStanding(tx, provider, { identity, user, groups: [] }, system, nowMs);
    await putGroupsOf(tx, identity.id, []);
    const isDisabling = identity.isGoverning && !user.isDisabled;
    await updateIdentity(tx, identity.id, { lostAtMs: nowMs, hasDisabledUser: isDisabling });
    if (isDisabling) await updateUser(tx, user.id, { isDisabled: true });
    const robots = isDisabling ? await disableOwnRobots(tx, user.id) : 0;
    await settleMemberships(tx, { userId: user.id }, nowMs);
    await bumpAccessVersion(tx);
    await recordAudit(tx, system, nowMs, {
      action: isDisabling ? "user.update" : "identity.lose",
      target: `user ${user.username}`,
      before: { isDisabled: user.isDisabled },
      after: { isDisabled: isDisabling || user.isDisabled },
      detail: { because: `${provider.name} knows them no more`, robots },
    });
  });
  deps.access.changed();
}

function isOverdue({ policy }: SignInProvider, identity: Known, nowMs: number): boolean {
  const { reconfirmAfterDays } = policy;
  if (reconfirmAfterDays === undefined || !identity.isGoverning) return false;
  return identity.confirmedAtMs + reconfirmAfterDays * dayMs < nowMs;
}

function tooMany(provider: SignInProvider, lost: number, present: number): string | undefined {
  const set: unknown = Reflect.get(provider.settings, "maxLossPercent");
  const percent = typeof set === "number" ? set : defaultMaxLossPercent;
  if (lost <= alwaysFine || lost * 100 <= present * percent) return undefined;
  return `the provider knows ${lost} of ${present} users no more, over ${percent} %: nothing was changed; raise maxLossPercent if that is so`;
}

function merge(
  held: readonly string[],
  told: ReadonlySet<string>,
  now: readonly string[],
): readonly string[] {
  return [...held.filter((name) => !told.has(name)), ...now];
}

function isSame(before: Known, held: readonly string[], now: ProviderPerson): boolean {
  const groups = now.groups ?? held;
  return (
    before.lostAtMs === undefined &&
    before.username === now.username &&
    before.email === now.email &&
    groups.length === held.length &&
    groups.every((name) => held.includes(name))
  );
}

function nothing(atMs: number): SyncReport {
  return {
    atMs,
    ok: false,
    message: "",
    known: 0,
    changed: 0,
    created: 0,
    lost: 0,
    refused: 0,
    missingGroups: [],
  };
}

async function store(
  deps: IdentityDeps,
  provider: SignInProvider,
  report: SyncReport,
  isDone: boolean,
): Promise<void> {
  const { atMs } = report;
  await deps.database.transaction(
    (tx) => recordSync(tx, provider.id, { ...(isDone ? { syncedAtMs: atMs } : {}), report }),
    { durable: false },
  );
}
