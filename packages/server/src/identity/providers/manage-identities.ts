import { bumpAccessVersion } from "../../access/access-version-store.ts";
import type { UserActor } from "../../access/actor.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { SignInThrottle } from "../sign-in/sign-in-throttle.ts";
import { applyStanding } from "./apply-standing.ts";
import {
  deleteIdentity,
  findIdentityById,
  type Identity,
  listIdentitiesOfProvider,
  listIdentitiesOfUser,
} from "./identity-store.ts";
import { getProvider } from "./manage-providers.ts";
import type { Providers } from "./open-providers.ts";
import type { SignInProvider } from "./provider-store.ts";
import { settleIdentity } from "./settle-identity.ts";
import { lockStanding } from "./standing-store.ts";
import { settleMemberships } from "./team-binding-store.ts";

export type IdentityWithProvider = Identity & { readonly provider: string };

export async function listOwnIdentities(
  deps: IdentityDeps,
  providers: Providers,
  owner: UserActor,
): Promise<readonly IdentityWithProvider[]> {
  const names = new Map((await providers.list()).map(({ id, name }) => [id, name]));
  const found = await listIdentitiesOfUser(deps.database.read, owner.userId);
  return found.map((one) => ({ ...one, provider: names.get(one.providerId) ?? "" }));
}

/** A page of whom a provider knows here, or knows no more. `NOT_FOUND`. */
export async function listProviderIdentities(
  deps: IdentityDeps,
  name: string,
  page: { readonly lastId: number; readonly limit: number; readonly isLost: boolean | undefined },
) {
  const provider = await getProvider(deps, name);
  const rows = await listIdentitiesOfProvider(deps.database.read, {
    ...page,
    providerId: provider.id,
    limit: page.limit + 1,
  });
  return { identities: rows.slice(0, page.limit), hasMore: rows.length > page.limit };
}

/**
 * Links an account at a provider that takes passwords to who is signed in. `UNAUTHORIZED` for a wrong password, `TOOMANYREQUESTS` for too many,
 * `ALREADY_EXISTS` when it leads to somebody else, `NOT_FOUND` for a provider that is none.
 */
export async function linkByPassword(
  deps: IdentityDeps,
  tools: { readonly providers: Providers; readonly throttle: SignInThrottle },
  call: Call,
  link: {
    readonly owner: UserActor;
    readonly provider: string;
    readonly username: string;
    readonly password: string;
  },
): Promise<IdentityWithProvider> {
  const { providers, throttle } = tools;
  const provider = await providers.get(link.provider);
  const attempt = throttle.begin(
    call.client?.address ?? "unknown",
    `${provider.name} ${link.username}`,
    link.password,
  );
  try {
    const person = await providers.use(provider, call.signal, async (opened, signal) => {
      if (opened.how !== "password") throw new AppError("NOT_FOUND", "this way to sign in takes no password");
      return opened.checkPassword(link.username, link.password, signal);
    });
    if (person === undefined)
      throw new AppError("UNAUTHORIZED", "the user name or the password is wrong there");
    attempt.succeeded();
    const occasion = { kind: "link", userId: link.owner.userId } as const;
    const { identityId } = await settleIdentity(deps, provider, person, occasion, call);
    const identity = await findIdentityById(deps.database.read, identityId);
    if (identity === undefined) throw new AppError("CONFLICT", "the link was removed meanwhile");
    return { ...identity, provider: provider.name };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "UNAUTHORIZED") attempt.abandoned();
    throw error;
  }
}

/**
 * Takes a link away. `NOT_FOUND` when the user has none of that id; `DENIED` for the one that their account was made by, as it decides how long the
 * account lives; `IN_USE` when they could not sign in any more.
 */
export async function unlinkOwnIdentity(
  deps: IdentityDeps,
  providers: Providers,
  call: Call,
  owner: UserActor,
  id: number,
): Promise<void> {
  const all = await providers.list();
  await deps.database.transaction(async (tx) => {
    const user = await lockStanding(tx, owner.userId);
    const identities = await listIdentitiesOfUser(tx, owner.userId);
    const identity = identities.find((one) => one.id === id);
    if (user === undefined || identity === undefined)
      throw new AppError("NOT_FOUND", `you have no identity ${id}`);
    if (identity.isGoverning) {
      throw new AppError(
        "DENIED",
        "your account was made by this identity; ask an administrator to unlink it",
      );
    }
    const isWayIn = (one: Identity) =>
      one.lostAtMs === undefined &&
      all.some((provider) => provider.id === one.providerId && provider.isEnabled);
    const hasOther = user.hasPassword || identities.some((one) => one.id !== id && isWayIn(one));
    if (!hasOther)
      throw new AppError("IN_USE", "this is your last way to sign in; set a password or link another");
    await unlink(tx, deps, call, all, identity, user.username);
  });
  deps.access.changed();
}

/** The same for an administrator, who need not leave a way in. `NOT_FOUND`. */
export async function unlinkIdentity(
  deps: IdentityDeps,
  call: Call,
  providerName: string,
  id: number,
): Promise<void> {
  const provider = await getProvider(deps, providerName);
  await deps.database.transaction(async (tx) => {
    const found = await findIdentityById(tx, id);
    const user = found === undefined ? undefined : await lockStanding(tx, found.userId);
    // As it is now that the user is held: they may have signed in, and have got something by it.
    const identity = await findIdentityById(tx, id);
    if (identity?.providerId !== provider.id || user === undefined) {
      throw new AppError("NOT_FOUND", `${provider.name} has no identity ${id}`);
    }
    await unlink(tx, deps, call, [provider], identity, user.username);
  });
  deps.access.changed();
}

async function unlink(
  tx: Tx,
  deps: IdentityDeps,
  call: Call,
  providers: readonly SignInProvider[],
  identity: Identity,
  username: string,
): Promise<void> {
  const nowMs = deps.clock.nowMs();
  const provider = providers.find(({ id }) => id === identity.providerId);
  const user = await lockStanding(tx, identity.userId);
  // What its groups gave goes with it.
  if (provider !== undefined && user !== undefined) {
    await applyStanding(tx, provider, { identity, user, groups: [] }, call, nowMs);
  }
  await deleteIdentity(tx, identity.id);
  await settleMemberships(tx, { userId: identity.userId }, nowMs);
  await bumpAccessVersion(tx);
  await recordAudit(tx, call, nowMs, {
    action: "identity.unlink",
    target: `user ${username}`,
    before: { provider: provider?.name ?? "", username: identity.username },
  });
}
