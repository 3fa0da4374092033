import type { Access } from "../access/access.ts";
import type { ExternalActor } from "../access/actor.ts";
import type { VersionedCache } from "../access/versioned-cache.ts";
import type { AuditTrail } from "../activity/audit/audit-trail.ts";
import type { MailQueue } from "../activity/email/mail-queue.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { OutgoingHttp } from "../lib/outgoing-http.ts";
import type { SecretBox } from "../lib/secret-box.ts";
import type { Database } from "../storage/database/database.ts";
import type { SignInOutside } from "./decision-points/sign-in-outside.ts";
import type { OrganizationSettings } from "./organizations/organization-settings.ts";
import type { RegistryPasswordPolicy } from "./sign-in/registry-passwords.ts";
import type { PasswordHasher } from "./users/password-hash.ts";

export interface IdentityDeps {
  readonly database: Database;
  readonly access: Access;
  readonly cache: VersionedCache;
  readonly clock: Clock;
  readonly log: Log;
  readonly passwords: PasswordHasher;
  readonly secretBox: SecretBox;
  readonly outgoing: OutgoingHttp;
  readonly mails: MailQueue;
  readonly trail: AuditTrail;
  readonly defaultNamespace: string;
  readonly tokens: TokenSettings;
  readonly sessions: SessionSettings;
  readonly organizations: OrganizationSettings;
  readonly accounts: AccountSettings;
  readonly mfa: MfaSettings;
  readonly passwordsOnRegistry: RegistryPasswordPolicy;
  /** Those outside who vouch for people and programs; undefined = nobody does. */
  readonly outside?: OutsideSignIn | undefined;
}

export interface OutsideSignIn {
  readonly signIn: SignInOutside;
  /**
   * The actor of a bearer token that a token service outside has signed; undefined = none that we trust has. `UNAUTHORIZED` when it cannot be used. One
   * that has ended is taken where `takesEnded` says so.
   */
  verifyToken(token: string, takesEnded?: () => Promise<boolean>): Promise<ExternalActor | undefined>;
  /** Whether the authority that once vouched for somebody still may. */
  knows(authority: string): Promise<boolean>;
}

export interface AccountSettings {
  /** Who may make an account for themselves. */
  readonly signUp: "open" | "domains" | "invitation" | "off";
  /** Lower case; addresses of these may sign up where `signUp` is "domains". */
  readonly allowedDomains: readonly string[];
}

export interface SessionSettings {
  /** A session ends then, whatever happens. */
  readonly lifetimeMs: number;
  /** A session that nobody has used for so long has ended. */
  readonly idleMs: number;
  /** How long ago somebody may have proved who they are to do something dangerous. */
  readonly recentMs: number;
  /** Whether people get a mail when their account is signed in to from a network where it never was before. */
  readonly tellsOfNewNetworks: boolean;
}

export interface MfaSettings {
  /** Who must show a second factor to do anything on the management API. */
  readonly requiredOf: "nobody" | "administrators" | "everybody";
}

export interface TokenSettings {
  /** The audience of tokens and the service of challenges. */
  readonly service: string;
  readonly lifetimeMs: number;
  readonly keyRotationMs: number;
}
