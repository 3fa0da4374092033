import type { Access } from "../access/access.ts";
import { type Actor, anonymous } from "../access/actor.ts";
import type { VersionedCache } from "../access/versioned-cache.ts";
import type { AuditTrail } from "../activity/audit/audit-trail.ts";
import type { MailQueue } from "../activity/email/mail-queue.ts";
import type { SignInRules } from "../http/check-sign-in.ts";
import type { Endpoint } from "../http/endpoint.ts";
import type { Served } from "../http/http-deps.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { whenReady } from "../lib/maybe-promise.ts";
import type { OutgoingHttp } from "../lib/outgoing-http.ts";
import type { SecretBox } from "../lib/secret-box.ts";
import type { Database } from "../storage/database/database.ts";
import { accessReportEndpoints } from "./access-reports/access-report-routes.ts";
import { accessTokenEndpoints } from "./access-tokens/access-token-routes.ts";
import { pruneAccessTokens } from "./access-tokens/access-token-store.ts";
import { createAccounts } from "./accounts/accounts.ts";
import { prunePulls } from "./credentials/pull-count-store.ts";
import { createPullLimiter } from "./credentials/pull-limiter.ts";
import { pruneSecrets } from "./credentials/secret-store.ts";
import { createUsageRecorder, dayMs } from "./credentials/usage-recorder.ts";
import { pruneUsage } from "./credentials/usage-store.ts";
import { elevateActor } from "./elevations/elevate-actor.ts";
import { createElevations } from "./elevations/elevations.ts";
import { createFederation } from "./federation/federation.ts";
import type {
  AccountSettings,
  IdentityDeps,
  MfaSettings,
  OutsideSignIn,
  SessionSettings,
  TokenSettings,
} from "./identity-deps.ts";
import { createIssuers } from "./issuers/issuers.ts";
import { createMfa } from "./mfa/mfa.ts";
import { resetFactors } from "./mfa/remove-factors.ts";
import { namespaceEndpoints, pruneNamespaces } from "./namespaces.ts";
import type { OrganizationSettings } from "./organizations/organization-settings.ts";
import { createSignInProviders } from "./providers/providers.ts";
import { reservedNameEndpoints } from "./reserved-names/reserved-name-routes.ts";
import { createSessions } from "./sessions/sessions.ts";
import { type Authenticate, createAuthenticator } from "./sign-in/authenticate.ts";
import { clientPasswordEndpoints } from "./sign-in/client-password-routes.ts";
import type { RegistryPasswordPolicy } from "./sign-in/registry-passwords.ts";
import { createSecretVerifier } from "./sign-in/verify-secret.ts";
import { pruneRefreshTokens } from "./token-service/refresh-token-store.ts";
import { createSigningKeys } from "./token-service/signing-keys.ts";
import { tokenEndpoints } from "./token-service/token-routes.ts";
import { createTokenVerifier } from "./token-service/verify-token.ts";
import { changeUser } from "./users/change-user.ts";
import { createUser } from "./users/create-user.ts";
import { ensureFirstAdministrator } from "./users/ensure-first-administrator.ts";
import { createPasswordHasher } from "./users/password-hash.ts";
import { userEndpoints } from "./users/user-routes.ts";
import type { User } from "./users/user-store.ts";

export interface IdentityOptions {
  readonly database: Database;
  readonly access: Access;
  readonly cache: VersionedCache;
  readonly clock: Clock;
  readonly log: Log;
  readonly secretBox: SecretBox;
  readonly outgoing: OutgoingHttp;
  readonly mails: MailQueue;
  readonly trail: AuditTrail;
  readonly defaultNamespace: string;
  readonly tokens: TokenSettings;
  readonly sessions: SessionSettings;
  readonly accounts: AccountSettings;
  readonly organizations: OrganizationSettings;
  readonly mfa: MfaSettings;
  readonly outside?: OutsideSignIn;
  readonly passwordsOnRegistry: RegistryPasswordPolicy;
}

/** The identity area as the composition root and the areas above see it. */
export interface Identity {
  readonly endpoints: readonly Endpoint[];
  /** How well those who come must have proved who they are. */
  readonly signInRules: SignInRules;
  /** A cookie counts only where there is a `site`. */
  readonly authenticate: Authenticate;
  ensureFirstAdministrator(first: {
    readonly username: string;
    readonly password: string | undefined;
  }): Promise<{ readonly username: string; readonly generatedPassword: string | undefined } | undefined>;
  createUser(user: {
    readonly username: string;
    readonly password: string;
    readonly isAdmin: boolean;
  }): Promise<User>;
  /** Sets a password, takes second factors away, makes the user an administrator and enables them: the way back in for an operator. */
  resetAdministrator(username: string, password: string): Promise<User>;
  /** One round of the work on elevations now: those that are over are closed, and alerts of what was done under them sent. */
  work(): Promise<void>;
  /** Drops refresh tokens that nobody has used for a long time, sessions that have ended and grants that have run out; bounded, may be repeated. */
  prune(): Promise<void>;
  /** `TOOMANYREQUESTS` when the credential shown has pulled as often as it may. Undefined = at once it may. */
  readonly admit: (actor: Actor, endpoint: Endpoint) => Promise<void> | undefined;
  /** Counts what a credential was used for. Never waits. */
  recordUsage(served: Served): void;
  /** Throws when no token could be signed now. */
  checkSigningKeys(): Promise<void>;
  /** Begins what the area does by itself: following the directories that people sign in with, closing elevations. */
  start(): void;
  stop(): Promise<void>;
}

const unusedRefreshTokenMs = 90 * 86_400_000;
/** For their owners to see what has ended. */
const expiredTokenKeptMs = 60 * 86_400_000;
const secretKeptMs = 86_400_000;
const usageKeptDays = 400;
const pullHoursKept = 3;

export function createIdentity(options: IdentityOptions): Identity {
  const deps: IdentityDeps = { ...options, passwords: createPasswordHasher() };
  const keys = createSigningKeys(deps.database, deps.clock, {
    rotationMs: deps.tokens.keyRotationMs,
    tokenLifetimeMs: deps.tokens.lifetimeMs,
  });
  const providers = createSignInProviders(deps);
  const secrets = createSecretVerifier(deps, providers.ask);
  const accounts = createAccounts(deps, secrets);
  const mfa = createMfa(deps);
  const sessions = createSessions(deps, secrets, mfa.factors);
  const federation = createFederation(deps);
  const elevations = createElevations(deps);
  const authenticate = createAuthenticator(
    secrets,
    createTokenVerifier(deps, keys, secrets),
    (headers, site) => sessions.find(headers, site),
    deps,
  );
  const issuers = createIssuers(deps);
  const usage = createUsageRecorder(deps);
  const pulls = createPullLimiter(deps);
  return {
    endpoints: [
      ...tokenEndpoints(deps, keys, secrets),
      ...userEndpoints(deps),
      ...accessTokenEndpoints(deps),
      ...reservedNameEndpoints(deps),
      ...accessReportEndpoints(deps),
      ...namespaceEndpoints(deps),
      ...sessions.endpoints,
      ...accounts.endpoints,
      ...mfa.endpoints,
      ...providers.endpoints,
      ...federation.endpoints,
      ...elevations.endpoints,
      ...issuers.endpoints,
      ...clientPasswordEndpoints(deps, secrets),
    ],
    authenticate: (headers, address, site, target) =>
      whenReady(authenticate(headers, address, site, target), (actor) => elevateActor(deps, actor)),
    work: () => elevations.work(),
    signInRules: {
      recentMs: deps.sessions.recentMs,
      checkMfa: (actor, place) => mfa.check(actor, place),
    },
    ensureFirstAdministrator: (first) => ensureFirstAdministrator(deps, first),
    createUser: (user) => createUser(deps, user),
    async resetAdministrator(username, password) {
      const user = await changeUser(deps, username, { password, isAdmin: true, isDisabled: false });
      const operator = { actor: anonymous, client: undefined, requestId: undefined };
      await resetFactors(deps, operator, { userId: user.id, username });
      return user;
    },
    async prune() {
      await deps.database.transaction(
        async (tx) => {
          const nowMs = deps.clock.nowMs();
          await pruneRefreshTokens(tx, nowMs - unusedRefreshTokenMs, 1_000);
          await pruneNamespaces(tx, nowMs, 1_000);
          await prunePulls(tx, Math.floor(nowMs / 3_600_000) - pullHoursKept);
          await pruneUsage(tx, Math.floor(nowMs / dayMs) - usageKeptDays);
          await pruneSecrets(tx, nowMs - secretKeptMs, 1_000);
          await pruneAccessTokens(tx, nowMs - expiredTokenKeptMs, 1_000);
        },
        { durable: false },
      );
      await issuers.prune();
      await sessions.prune();
      await accounts.prune();
      await mfa.prune();
      await federation.prune();
    },
    admit: (actor, endpoint) => (endpoint.id === "manifests.get" ? pulls.take(actor) : undefined),
    recordUsage: (served) => usage.record(served),
    async checkSigningKeys() {
      await keys.current();
    },
    start() {
      usage.start();
      pulls.start();
      providers.start();
      elevations.start();
    },
    async stop() {
      await elevations.stop();
      await providers.stop();
      await usage.stop();
      await pulls.stop();
    },
  };
}
