import { createHmac, createSecretKey, randomBytes } from "node:crypto";
import { matchesRepository } from "@entrepot/oci/path-pattern";
import type { Scope } from "@entrepot/oci/scope";
import type { ExternalActor } from "../../access/actor.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import type { MaybePromise } from "../../lib/maybe-promise.ts";
import { createSignInThrottle } from "../sign-in/sign-in-throttle.ts";
import type { AskDecisionPoint } from "./ask-decision-point.ts";
import { authorityName } from "./decide-outside.ts";
import type { DecisionMemory } from "./decision-memory.ts";
import type { DecisionPoint } from "./decision-point-store.ts";
import type { LoginAnswer, Question } from "./decision-protocol.ts";

/** Where and for what somebody signs in. */
export interface SignInSite {
  readonly remoteAddress: string;
  readonly userAgent: string | undefined;
  /** The repositories that the request is about, as far as it says. */
  readonly repositories: readonly string[];
}

export type OutsideCredential = Extract<Question, { intent: "login" }>["credential"];

export interface SignInOutsideDeps {
  readonly clock: Clock;
  readonly memory: DecisionMemory;
  readonly ask: AskDecisionPoint;
  readonly points: () => MaybePromise<readonly DecisionPoint[]>;
}

const maxUsernameLength = 255;
const maxSecretLength = 8_192;

/**
 * Asks decision points about a credential that nobody here knows. It is shown only to the points that decide about a repository that the request
 * names; where it names none, to those that answer logins, in the order of their names, until one knows it. Undefined = nobody does, or nobody is to
 * be asked. `UNAVAILABLE` when one that could know it does not answer, `TOOMANYREQUESTS` after too many wrong passwords.
 */
export type SignInOutside = (
  credential: OutsideCredential,
  site: SignInSite,
) => Promise<ExternalActor | undefined>;

export function createSignInOutside(deps: SignInOutsideDeps): SignInOutside {
  const { clock, memory, ask } = deps;
  const throttle = createSignInThrottle(clock);
  // Credentials are remembered by a hash that means nothing elsewhere.
  const key = createSecretKey(randomBytes(32));
  const markOf = (point: DecisionPoint, credential: OutsideCredential) =>
    createHmac("sha256", key)
      .update(JSON.stringify([point.id, point.revision, credential]))
      .digest("base64");

  async function login(
    point: DecisionPoint,
    credential: OutsideCredential,
    site: SignInSite,
  ): Promise<ExternalActor | undefined> {
    const askedAtMs = clock.nowMs();
    const asOf = await memory.sync();
    const mark = markOf(point, credential);
    const kept = memory.find<LoginAnswer>(mark, point.serveStaleSeconds * 1_000);
    if (kept?.isFresh === true) return actorOf(point, kept.value);
    let answer: LoginAnswer;
    try {
      const client = { ip: site.remoteAddress, userAgent: site.userAgent?.slice(0, 200) ?? null };
      answer = await ask(point, { intent: "login", credential, client });
    } catch (error) {
      if (kept !== undefined) return actorOf(point, kept.value);
      throw error;
    }
    const { ttlSeconds, cacheKey, principal } = answer;
    if (ttlSeconds > 0) {
      const about = { pointId: point.id, principal: principal?.id, cacheKey };
      memory.keep(mark, answer, { ...about, asOf, askedAtMs, ttlMs: ttlSeconds * 1_000 });
    }
    return actorOf(point, answer);
  }

  return async (credential, site) => {
    if (!isSane(credential)) return undefined;
    const points = await deps.points();
    const asked =
      site.repositories.length === 0
        ? points.filter((point) => point.answersLogin)
        : points.filter(({ pattern }) => site.repositories.some((name) => matchesRepository(pattern, name)));
    if (asked.length === 0) return undefined;
    const attempt =
      credential.kind === "basic"
        ? throttle.begin(site.remoteAddress, credential.username, credential.password)
        : undefined;
    let failure: unknown;
    for (const point of asked.toSorted((left, right) => (left.name < right.name ? -1 : 1))) {
      try {
        const found = await login(point, credential, site);
        if (found === undefined) continue;
        attempt?.succeeded();
        return found;
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        failure ??= error;
      }
    }
    if (failure !== undefined) {
      attempt?.abandoned();
      throw failure;
    }
    return undefined;
  };
}

/** The repositories that scopes name. */
export function namedIn(scopes: readonly Scope[]): readonly string[] {
  return scopes.flatMap(({ type, name }) => (type === "repository" ? [name] : []));
}

function actorOf(point: DecisionPoint, { principal }: LoginAnswer): ExternalActor | undefined {
  if (principal === undefined) return undefined;
  return {
    kind: "external",
    authority: authorityName(point),
    principal: principal.id,
    // No name of ours has a colon: nobody outside can look like somebody here.
    username: `${point.name}:${principal.name}`,
    limits: undefined,
    credentialScopes: undefined,
  };
}

function isSane(credential: OutsideCredential): boolean {
  if (credential.kind === "token") return credential.token.length <= maxSecretLength;
  const { username, password } = credential;
  const isName = username.length >= 1 && username.length <= maxUsernameLength && !/\p{C}/u.test(username);
  return isName && password.length >= 1 && password.length <= maxSecretLength;
}
