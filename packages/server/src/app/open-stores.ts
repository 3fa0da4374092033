import { join } from "node:path";
import type { Access } from "../access/access.ts";
import { createAccess } from "../access/create-access.ts";
import { createVersionedCache } from "../access/versioned-cache.ts";
import { type Audit, type AuditOptions, createAudit } from "../activity/audit/audit.ts";
import { createMailQueue } from "../activity/email/mail-queue.ts";
import type { Config } from "../config/config.ts";
import { ownStorageOf } from "../config/region-settings.ts";
import { previousStorageKeysOf, storageKeysOf } from "../config/storage-settings.ts";
import { createDecisionPoints, type DecisionPoints } from "../identity/decision-points/decision-points.ts";
import { createIdentity, type Identity } from "../identity/identity.ts";
import { createTokenIssuers, type TokenIssuers } from "../identity/token-issuers/token-issuers.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { isInNetworks } from "../lib/ip-network.ts";
import type { Log } from "../lib/log.ts";
import { oncePerTurn } from "../lib/once-per-turn.ts";
import { createOutgoingHttp } from "../lib/outgoing-http.ts";
import { isPublicAddress } from "../lib/public-address.ts";
import type { SecretBox } from "../lib/secret-box.ts";
import type { Tracing } from "../lib/tracing.ts";
import { traceOutgoing, traceStatements } from "../operations/tracing/with-tracing.ts";
import type { BlobStore } from "../storage/blob-store/blob-store.ts";
import { openBlobStore } from "../storage/blob-store/open-blob-store.ts";
import { openRegions } from "../storage/blob-store/regions/open-regions.ts";
import { type RegionalBlobStore, withRegions } from "../storage/blob-store/regions/with-regions.ts";
import { withPrevious } from "../storage/blob-store/with-previous.ts";
import type { Database } from "../storage/database/database.ts";
import { openDatabase } from "../storage/database/open-database.ts";
import type { FirstAdministrator } from "./announce.ts";
import { programVersion } from "./program-version.ts";
import { openSecretBox, type SecretKeyOptions } from "./secret-key.ts";
import { watchedSignIn } from "./watched-sign-in.ts";

/** What every command works with, the server included: the stores, and who is who. */
export interface Stores {
  readonly database: Database;
  readonly blobs: BlobStore;
  /** The same store as `blobs`, where there are several regions. */
  readonly regional: RegionalBlobStore | undefined;
  readonly clock: Clock;
  readonly access: Access;
  readonly audit: Audit;
  readonly identity: Identity;
  readonly decisions: DecisionPoints;
  readonly tokenIssuers: TokenIssuers;
  readonly secretBox: SecretBox;
  ensureFirstAdministrator(): Promise<FirstAdministrator | undefined>;
  close(): Promise<void>;
}

const accessCacheEntries = 100_000;

/** Opens database and blob store and builds the areas that only need them, in rank order. */
export async function openStores(
  config: Config,
  log: Log,
  options: {
    readonly tracing?: Tracing | undefined;
    /** See `OpenDatabaseOptions.waitsForMove`. */
    readonly waitsForMove?: boolean;
  } = {},
): Promise<Stores> {
  const { tracing, waitsForMove } = options;
  const clock = systemClock;
  const regional = await openRegionalStorage(config, clock, log);
  const blobs = regional ?? (await openStorage(config, clock, log));
  const opened = await openDatabase({
    url: config.databaseUrl,
    passwordFile: config.databasePasswordFile,
    replicaUrl: config.databaseReplicaUrl,
    poolSize: config.databasePoolSize,
    acquireTimeoutMs: config.databaseAcquireTimeoutMs,
    migrate: config.databaseMigrate,
    waitsForMove,
    onStatement: tracing === undefined ? undefined : traceStatements(tracing, engineName(config.databaseUrl)),
    log,
  });
  // Asked several times by every request; on SQLite it is system calls, a quarter of the cost of a pull that comes from memory.
  const foreignChangeStamp = oncePerTurn(() => opened.foreignChangeStamp());
  const noticeStamp: Database["noticeStamp"] =
    opened.engine === "sqlite" ? foreignChangeStamp : (topic) => opened.noticeStamp(topic);
  const database: Database = { ...opened, foreignChangeStamp, noticeStamp };
  const { box, stop } = await openSecretBox(secretKeyOptionsOf(config), database, clock, log);
  const stores = assembleStores(config, log, {
    database,
    blobs,
    regional,
    clock,
    secretBox: box,
    tracing,
  });
  return {
    ...stores,
    async close() {
      stop();
      await stores.close();
    },
  };
}

/** Where the keys for secrets come from. */
export function secretKeyOptionsOf(config: Config): SecretKeyOptions {
  return {
    secretKey: config.secretKey,
    command: config.secretKeyCommand,
    file: join(config.dataDir, "secret.key"),
  };
}

async function openStorage(config: Config, clock: Clock, log: Log): Promise<BlobStore> {
  const keys = watchedSignIn(storageKeysOf(config), "storage.keysFile", log);
  const store = await openBlobStore(config.storageUrl, clock, keys);
  const { storagePreviousUrl } = config;
  if (storagePreviousUrl === undefined) return store;
  const previousKeys = watchedSignIn(previousStorageKeysOf(config), "storage.previousKeysFile", log);
  return withPrevious(store, await openBlobStore(storagePreviousUrl, clock, previousKeys));
}

/** Undefined unless there are several regions. */
async function openRegionalStorage(
  config: Config,
  clock: Clock,
  log: Log,
): Promise<RegionalBlobStore | undefined> {
  const { storageRegion: own } = config;
  if (own === undefined) return undefined;
  const places = config.storageRegions.map((place) => ({
    ...place,
    keys: watchedSignIn(
      storageKeysOf({ ...config, ...ownStorageOf(place) }),
      place.keysFileSetting ?? "storage.keysFile",
      log.child({ region: place.name }),
    ),
  }));
  return withRegions(await openRegions(places, own, clock));
}

/** What the areas stand on. */
export interface Ground {
  readonly database: Database;
  readonly blobs: BlobStore;
  /** Absent = there is one region. */
  readonly regional?: RegionalBlobStore | undefined;
  readonly clock: Clock;
  readonly secretBox: SecretBox;
  /** Absent = nothing is traced. */
  readonly tracing?: Tracing | undefined;
}

/** Builds the areas that only need the stores, in rank order. Touches none of the stores. */
export function assembleStores(config: Config, log: Log, ground: Ground): Stores {
  const { database, blobs, regional, clock, secretBox, tracing } = ground;
  const cache = createVersionedCache(database, clock, { maxEntries: accessCacheEntries });
  const { anonymousAccess, defaultNamespace } = config;
  const plain = createOutgoingHttp({ allowedNetworks: config.outgoingAllowedNetworks });
  const outgoing = tracing === undefined ? plain : traceOutgoing(plain, tracing);
  const decisions = createDecisionPoints({ database, cache, clock, log, secretBox, outgoing });
  const { delegate } = decisions;
  const tokenIssuers = createTokenIssuers({ database, cache, clock, outgoing });
  const access = createAccess({ database, cache, clock, anonymousAccess, defaultNamespace, delegate });
  const audit = openAudit(config, { database, clock, log, secretBox, outgoing });
  const identity = createIdentity({
    database,
    outside: { ...decisions, verifyToken: tokenIssuers.verifyToken },
    access,
    cache,
    clock,
    log,
    secretBox,
    outgoing,
    passwordsOnRegistry: config.passwordsOnRegistry,
    mails: createMailQueue(secretBox),
    trail: audit.trail,
    defaultNamespace,
    tokens: {
      service: config.tokenService,
      lifetimeMs: config.tokenLifetimeSeconds * 1_000,
      keyRotationMs: config.signingKeyRotationDays * 86_400_000,
    },
    accounts: { signUp: config.signUp, allowedDomains: config.allowedDomains },
    sessions: {
      lifetimeMs: config.sessionLifetimeHours * 3_600_000,
      idleMs: config.sessionIdleMinutes * 60_000,
      recentMs: config.sessionRecentMinutes * 60_000,
      tellsOfNewNetworks: config.tellOfNewNetworks,
    },
    mfa: { requiredOf: config.mfaRequiredOf },
    organizations: {
      createdBy: config.organizationCreation,
      newMembers: config.organizationNewMembers,
      invitationDays: config.invitationDays,
      maxRobotDays: config.maxRobotDays,
    },
  });
  return {
    database,
    blobs,
    regional,
    clock,
    access,
    audit,
    decisions,
    tokenIssuers,
    identity,
    secretBox,
    ensureFirstAdministrator: () =>
      identity.ensureFirstAdministrator({ username: config.adminUsername, password: config.adminPassword }),
    async close() {
      await audit.stop();
      await outgoing.close();
      await database.close();
      await blobs.close();
    },
  };
}

function openAudit(
  config: Config,
  deps: Pick<AuditOptions, "database" | "clock" | "log" | "secretBox" | "outgoing">,
): Audit {
  return createAudit({
    ...deps,
    recording: {
      pulls: config.auditPulls,
      pullsOneIn: config.auditPullsOneIn,
      pullsWindowMs: config.auditPullsWindowSeconds * 1_000,
      denials: config.auditDenials,
      defaultNamespace: config.defaultNamespace,
    },
    syslog: {
      mayReach: (address) =>
        isPublicAddress(address) || isInNetworks(config.outgoingAllowedNetworks, address),
      isPlainAllowed: config.auditPlainSyslog,
    },
    anchorMs: config.auditAnchorMinutes * 60_000,
    retentionMs: config.auditRetentionDays * 86_400_000,
    version: programVersion,
  });
}

/** As OpenTelemetry names them. */
function engineName(url: string): string {
  return url.startsWith("sqlite:") ? "sqlite" : "postgresql";
}
