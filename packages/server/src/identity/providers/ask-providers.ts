import { createHmac, createSecretKey, randomBytes } from "node:crypto";
import { anonymous } from "../../access/actor.ts";
import type { AuditSource } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import { createLru } from "../../lib/create-lru.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { isAccountName } from "../users/account-name.ts";
import { findUserByName } from "../users/user-store.ts";
import { findIdentityById, listIdentitiesOfUser } from "./identity-store.ts";
import { type Providers, takesPasswords } from "./open-providers.ts";
import type { ProviderPerson } from "./provider.ts";
import type { SignInProvider } from "./provider-store.ts";
import { settleIdentity } from "./settle-identity.ts";

const knownForMs = 60_000;
const maxNameLength = 256;
const maxPasswordBytes = 1_024;

/**
 * The user whose name and password a provider vouches for; undefined when none does. Asked are, in their order: the providers of the user of that name,
 * or when there is no such user all that take passwords. Never for a name with a password of ours: it neither leaves this house nor waits for another.
 * `UNAVAILABLE` when none vouches and one that might have does not answer. A right answer is remembered for a minute, a wrong one not; the
 * same question asked several times at once is answered once. To be called after the throttle.
 */
export type AskProviders = (
  username: string,
  password: string,
  remoteAddress: string,
) => Promise<number | undefined>;

interface Candidate {
  readonly provider: SignInProvider;
  readonly login: string;
  /** Whom the answer must be about; undefined = whoever it is. */
  readonly subject: string | undefined;
}

interface Question {
  readonly password: string;
  readonly remoteAddress: string;
}

interface Known {
  readonly userId: number;
  readonly identityId: number;
  readonly untilMs: number;
}

export function createAskProviders(deps: IdentityDeps, providers: Providers): AskProviders {
  const key = createSecretKey(randomBytes(32));
  const known = createLru<string, Known>(10_000);
  const asked = new Map<string, Promise<Known | undefined>>();

  /** A name that was used before in the directory and is somebody else's now leads nowhere until an administrator looks. */
  async function ask(candidate: Candidate, question: Question): Promise<Known | undefined> {
    const { provider, login, subject } = candidate;
    const { password, remoteAddress } = question;
    const person = await providers.use(provider, undefined, async (opened, signal) =>
      opened.how === "password" ? opened.checkPassword(login, password, signal) : undefined,
    );
    if (person === undefined || (subject !== undefined && person.subject !== subject)) return undefined;
    const settled = await admit(deps, provider, person, remoteAddress);
    return settled === undefined ? undefined : { ...settled, untilMs: deps.clock.nowMs() + knownForMs };
  }

  async function askAll(candidates: readonly Candidate[], question: Question): Promise<Known | undefined> {
    let failure: AppError | undefined;
    for (const candidate of candidates) {
      try {
        const found = await ask(candidate, question);
        if (found !== undefined) return found;
      } catch (error) {
        const isDown = error instanceof AppError && ["UNAVAILABLE", "OVERLOADED"].includes(error.code);
        if (!isDown) throw error;
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return undefined;
  }

  async function isCurrent({ userId, identityId, untilMs }: Known): Promise<boolean> {
    const nowMs = deps.clock.nowMs();
    // The second half as the clock may have been set back.
    if (untilMs <= nowMs || untilMs > nowMs + knownForMs) return false;
    const { identity } = await deps.cache.get(`identity ${identityId}`, async () => ({
      identity: await findIdentityById(deps.database.read, identityId),
    }));
    return identity?.userId === userId && identity.lostAtMs === undefined;
  }

  return async (username, password, remoteAddress) => {
    if (!isSensible(username, password)) return undefined;
    const enabled = (await providers.list()).filter((one) => one.isEnabled && takesPasswords(one.kind));
    if (enabled.length === 0) return undefined;
    const candidates = await findCandidates(deps, enabled, username);
    if (candidates.length === 0) return undefined;
    const versions = enabled.map(({ id, updatedAtMs }) => `${id}:${updatedAtMs}`).join();
    const mark = createHmac("sha256", key).update(`${versions}\0${username}\0${password}`).digest("base64");
    const before = known.get(mark);
    if (before !== undefined && (await isCurrent(before))) return before.userId;
    let answer = asked.get(mark);
    if (answer === undefined) {
      answer = askAll(candidates, { password, remoteAddress }).finally(() => asked.delete(mark));
      asked.set(mark, answer);
    }
    const found = await answer;
    if (found !== undefined) known.set(mark, found);
    return found?.userId;
  };
}

/** What no provider is asked: without a password, a directory takes anybody for nobody in particular and says yes. */
function isSensible(username: string, password: string): boolean {
  if (username === "" || username.length > maxNameLength || /\p{Cc}/u.test(username)) return false;
  return password !== "" && !password.includes("\0") && Buffer.byteLength(password) <= maxPasswordBytes;
}

/**
 * A name that is a user's here is asked of the providers that the user is linked to, by the name they have there; any other name of all of them. Whoever
 * had a name in the directory before is another subject, so a name that is given to somebody else there gives them nobody's account here.
 */
async function findCandidates(
  deps: IdentityDeps,
  enabled: readonly SignInProvider[],
  username: string,
): Promise<readonly Candidate[]> {
  const { user, identities } = await deps.cache.get(`asked ${username}`, async () => {
    const found = isAccountName(username) ? await findUserByName(deps.database.read, username) : undefined;
    const linked = found === undefined ? [] : await listIdentitiesOfUser(deps.database.read, found.id);
    return { user: found, identities: linked };
  });
  if (user === undefined) {
    return enabled.map((provider) => ({ provider, login: username, subject: undefined }));
  }
  if (user.passwordHash !== undefined || user.kind !== "person") return [];
  return enabled.flatMap((provider) =>
    identities
      .filter((one) => one.providerId === provider.id)
      .map((one) => ({ provider, login: one.username, subject: one.subject })),
  );
}

/** Undefined when the account may not sign in: to who asks, that is a wrong password. */
async function admit(
  deps: IdentityDeps,
  provider: SignInProvider,
  person: ProviderPerson,
  address: string,
): Promise<{ readonly userId: number; readonly identityId: number } | undefined> {
  const source: AuditSource = {
    actor: anonymous,
    client: { address, userAgent: undefined },
    requestId: undefined,
  };
  try {
    const { userId, identityId } = await settleIdentity(deps, provider, person, { kind: "sign-in" }, source);
    return { userId, identityId };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "DENIED") throw error;
    deps.log.info({ provider: provider.name, reason: error.message }, "a provider's account may not sign in");
    return undefined;
  }
}
