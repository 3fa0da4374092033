import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { insertUser, insertUserNamespace, updateUser } from "../users/user-store.ts";
import { applyStanding } from "./apply-standing.ts";
import { deriveUsernames } from "./derive-username.ts";
import {
  type Identity,
  insertIdentity,
  listGroupsOf,
  lockIdentity,
  putGroupsOf,
  updateIdentity,
} from "./identity-store.ts";
import { groupKey, type ProviderPerson } from "./provider.ts";
import { holdProvider, type SignInProvider } from "./provider-store.ts";
import {
  describeUser,
  isInvited,
  isNameFree,
  lockByVerifiedEmail,
  lockStanding,
  type Standing,
} from "./standing-store.ts";
import { settleMemberships } from "./team-binding-store.ts";

export interface Settled {
  readonly userId: number;
  readonly identityId: number;
  readonly username: string;
  readonly isNew: boolean;
}

/** Why a provider's word is taken: somebody signs in, somebody who is signed in links it, or a pass over the directory found them. */
export type Occasion =
  | { readonly kind: "sign-in" }
  | { readonly kind: "link"; readonly userId: number }
  | { readonly kind: "sync" };

const maxGroups = 2_000;
const attempts = 3;

/**
 * Turns what a provider says of somebody into a user here: the one their identity leads to, else the one who links it, else the one with the same
 * verified address where the provider's policy links by it, else a new one. Never a user who merely has the same name. Groups become memberships and
 * standing. `DENIED` when the policy or the account's state does not let them in; `ALREADY_EXISTS` when a link would take somebody else's identity.
 * May be repeated and run at once: both end with the same user.
 */
export async function settleIdentity(
  deps: IdentityDeps,
  provider: SignInProvider,
  person: ProviderPerson,
  occasion: Occasion,
  source: AuditSource,
): Promise<Settled> {
  const refusal = refusalOf(provider, person);
  if (refusal !== undefined) throw new AppError("DENIED", refusal);
  for (let attempt = 1; ; attempt++) {
    try {
      let hasChanged = false;
      const settled = await deps.database.transaction(async (tx) => {
        const outcome = await settle(tx, { deps, provider, person, occasion, source });
        hasChanged = outcome.hasChanged;
        return outcome.settled;
      });
      if (hasChanged) deps.access.changed();
      return settled;
    } catch (error) {
      // Somebody else made the same identity or took the name in between; the next look finds it.
      const isRace = error instanceof AppError && error.code === "CONFLICT" && attempt < attempts;
      if (!isRace) throw error;
    }
  }
}

interface Work {
  readonly deps: IdentityDeps;
  readonly provider: SignInProvider;
  readonly person: ProviderPerson;
  readonly occasion: Occasion;
  readonly source: AuditSource;
}

async function settle(tx: Tx, work: Work): Promise<{ settled: Settled; hasChanged: boolean }> {
  const { deps, provider, person, occasion } = work;
  const nowMs = deps.clock.nowMs();
  // A team that is unbound at this moment must not get them by what was so before.
  await holdProvider(tx, provider.id);
  const known = await lockIdentity(tx, { providerId: provider.id, subject: person.subject });
  if (known !== undefined && occasion.kind === "link" && known.userId !== occasion.userId) {
    throw new AppError(
      "ALREADY_EXISTS",
      `this account at ${provider.displayName} leads to another user already`,
    );
  }
  const found = known ?? (await makeIdentity(tx, work, nowMs));
  const user = await lockStanding(tx, found.userId);
  if (user === undefined) throw race();
  const isBack = await welcomeBack(tx, work, { identity: found, user }, nowMs);
  await updateIdentity(tx, found.id, {
    username: person.username,
    email: person.email,
    lostAtMs: undefined,
    confirmedAtMs: nowMs,
    ...(occasion.kind === "sign-in" ? { lastSignInAtMs: nowMs } : {}),
  });
  const groups = await keepGroups(tx, provider, found, person);
  const isGranted = await applyStanding(tx, provider, { identity: found, user, groups }, work.source, nowMs);
  const { added, removed } = await settleMemberships(tx, { userId: user.id }, nowMs);
  if (added + removed > 0) {
    await recordAudit(tx, work.source, nowMs, {
      action: "team.sync",
      target: `user ${user.username}`,
      detail: { provider: provider.name, added, removed },
    });
  }
  const hasChanged = known === undefined || isBack || isGranted || added + removed > 0;
  if (hasChanged) await bumpAccessVersion(tx);
  return {
    settled: { userId: user.id, identityId: found.id, username: user.username, isNew: known === undefined },
    hasChanged,
  };
}

/** Whoever was disabled because the provider had lost them is enabled again; whoever an administrator disabled is not. */
async function welcomeBack(
  tx: Tx,
  { provider, source }: Work,
  { identity, user }: { readonly identity: Identity; readonly user: Standing },
  nowMs: number,
): Promise<boolean> {
  if (!user.isDisabled) return identity.lostAtMs !== undefined;
  if (!identity.hasDisabledUser) throw new AppError("DENIED", "the account is disabled here");
  await updateUser(tx, user.id, { isDisabled: false });
  await updateIdentity(tx, identity.id, { hasDisabledUser: false });
  await recordAudit(tx, source, nowMs, {
    action: "user.update",
    target: `user ${user.username}`,
    before: { isDisabled: true },
    after: { isDisabled: false },
    detail: { because: `${provider.name} knows them again` },
  });
  return true;
}

async function keepGroups(
  tx: Tx,
  provider: SignInProvider,
  identity: Identity,
  person: ProviderPerson,
): Promise<readonly string[]> {
  const before = await listGroupsOf(tx, identity.id);
  if (person.groups === undefined) return before;
  const now = [...new Set(person.groups.map((name) => groupKey(provider.kind, name)))]
    .sort()
    .slice(0, maxGroups);
  if (now.length !== before.length || now.some((name) => !before.includes(name))) {
    await putGroupsOf(tx, identity.id, now);
  }
  return now;
}

async function makeIdentity(tx: Tx, work: Work, nowMs: number): Promise<Identity> {
  const { provider, person, occasion, source } = work;
  const owner = await findOwner(tx, work, nowMs);
  const identity = await insertIdentity(tx, {
    providerId: provider.id,
    subject: person.subject,
    userId: owner.userId,
    username: person.username,
    email: person.email,
    isGoverning: owner.isNew,
    nowMs,
  });
  if (identity === undefined) throw race();
  await recordAudit(tx, source, nowMs, {
    action: "identity.link",
    target: `user ${owner.username}`,
    after: { provider: provider.name, username: person.username, isNewUser: owner.isNew },
    detail: { occasion: occasion.kind },
  });
  return identity;
}

interface Owner {
  readonly userId: number;
  readonly username: string;
  readonly isNew: boolean;
}

async function findOwner(tx: Tx, work: Work, nowMs: number): Promise<Owner> {
  const { provider, person, occasion } = work;
  if (occasion.kind === "link") {
    const user = await lockStanding(tx, occasion.userId);
    if (user?.kind !== "person" || user.isDisabled)
      throw new AppError("DENIED", "this account cannot be linked");
    return { userId: user.id, username: user.username, isNew: false };
  }
  const { provisioning = "automatic", linkByEmail = provisioning === "existing" } = provider.policy;
  const email = verifiedEmail(provider, person);
  if (linkByEmail && email !== undefined) {
    const user = await lockByVerifiedEmail(tx, email);
    // Whoever administers the registry links by hand: an address is less than what guards their account.
    if (user?.kind === "person" && !user.isDisabled && !user.isAdmin) {
      return { userId: user.id, username: user.username, isNew: false };
    }
  }
  if (provisioning !== "automatic") {
    const mayBeInvited = provisioning === "invitation" && occasion.kind === "sign-in";
    if (!mayBeInvited || email === undefined || !(await isInvited(tx, email, nowMs))) {
      throw new AppError(
        "DENIED",
        `nobody here belongs to this account at ${provider.displayName}; sign in another way and link it, or ask an administrator`,
      );
    }
  }
  return createUserFor(tx, work, email, nowMs);
}

async function createUserFor(
  tx: Tx,
  { deps, provider, person, source }: Work,
  email: string | undefined,
  nowMs: number,
): Promise<Owner> {
  for (const username of deriveUsernames(person.username, deps.defaultNamespace)) {
    if (!(await isNameFree(tx, username))) continue;
    const userId = await insertUser(tx, { username, passwordHash: undefined, isAdmin: false, nowMs });
    if (userId === undefined || !(await insertUserNamespace(tx, { name: username, userId, nowMs })))
      throw race();
    const by = `provider ${provider.name}`;
    await describeUser(tx, userId, { fullName: person.fullName, verifiedEmail: email }, { by, nowMs });
    await recordAudit(tx, source, nowMs, {
      action: "user.create",
      target: `user ${username}`,
      after: { username, provider: provider.name },
    });
    return { userId, username, isNew: true };
  }
  throw new AppError(
    "DENIED",
    "no name is free for this account; ask an administrator to create a user to link it to",
  );
}

/** Whether the provider's policy lets them in. */
export function admits(provider: SignInProvider, person: ProviderPerson): boolean {
  return refusalOf(provider, person) === undefined;
}

function refusalOf(provider: SignInProvider, person: ProviderPerson): string | undefined {
  const { allowedEmailDomains, requiredGroups } = provider.policy;
  if (allowedEmailDomains !== undefined) {
    const domain = verifiedEmail(provider, person)?.split("@").at(-1)?.toLowerCase();
    if (domain === undefined || !allowedEmailDomains.some((allowed) => allowed.toLowerCase() === domain)) {
      return "accounts with this e-mail address may not sign in here";
    }
  }
  if (requiredGroups === undefined) return undefined;
  const groups = (person.groups ?? []).map((name) => groupKey(provider.kind, name));
  if (requiredGroups.some((name) => groups.includes(groupKey(provider.kind, name)))) return undefined;
  return "this account is in none of the groups that may sign in here";
}

function verifiedEmail(provider: SignInProvider, person: ProviderPerson): string | undefined {
  return person.isEmailVerified || provider.policy.trustEmail === true ? person.email : undefined;
}

function race(): AppError {
  return new AppError("CONFLICT", "another sign-in of the same account is under way; try again");
}
