import type { TestContext } from "node:test";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import type { Access } from "../../access/access.ts";
import type { Actor, UserActor } from "../../access/actor.ts";
import { createAccess } from "../../access/create-access.ts";
import { createVersionedCache } from "../../access/versioned-cache.ts";
import type { Call } from "../../http/endpoint.ts";
import type { Clock } from "../../lib/clock.ts";
import { newUuid } from "../../lib/ids.ts";
import type { Log, LogFields } from "../../lib/log.ts";
import type { BlobStore, UploadId } from "../../storage/blob-store/blob-store.ts";
import { openTestBlobs } from "../../storage/blob-store/testing/open-test-blobs.ts";
import { withFaults } from "../../storage/blob-store/with-faults.ts";
import type { Database } from "../../storage/database/database.ts";
import type { OpenTestDatabase } from "../../storage/database/testing/each-database.ts";
import { createBlobCache } from "../blobs/blob-cache.ts";
import { createManifestCache } from "../manifests/manifest-cache.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { createUploadSessions } from "../uploads/upload-sessions.ts";
import { createFaults, type Faults } from "./faults.ts";
import { markTransactions, outsideTransactions } from "./outside-transactions.ts";

export interface LogLine {
  readonly level: "error" | "warn" | "info" | "debug";
  readonly fields: LogFields;
  readonly message: string;
}

/** One instance's use cases over a real database and a blob store in memory, with a clock that tests move. */
export interface TestRegistry {
  readonly deps: RegistryDeps;
  readonly database: Database;
  /** The store itself, which never fails; the use cases work through a wrapper that fails on demand. */
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly lines: readonly LogLine[];
  advance(ms: number): void;
  /** A request of its own, by an administrator unless another actor is given. */
  call(request?: { readonly actor?: Actor; readonly signal?: AbortSignal }): Call;
  /** Another process over the same stores and clock, with nothing in memory; or the same one after a restart. */
  instance(instanceId: string): RegistryDeps;
}

export type TestRegistryOptions = Partial<
  Pick<RegistryDeps, "defaultVisibility" | "sparse" | "gcGraceMs" | "isOpen" | "redirect">
> & {
  readonly anonymousAccess?: "none" | "pull" | "full";
  /** Another store than the one in memory. Its close is the test's business. */
  readonly blobs?: BlobStore;
};

export const graceMs = 86_400_000;

export const administrator: UserActor = userActor(1, "ada", { isAdmin: true });

/** Somebody who was signed in with a password. */
export function userActor(
  userId: number,
  username: string,
  more: { readonly isAdmin?: boolean } = {},
): UserActor {
  return {
    kind: "user",
    account: "person",
    userId,
    username,
    isAdmin: more.isAdmin ?? false,
    isAuditor: false,
    credential: "password",
    accessTokenId: undefined,
    limits: undefined,
    credentialScopes: undefined,
  };
}

export async function openTestRegistry(
  open: OpenTestDatabase,
  t: TestContext,
  options: TestRegistryOptions = {},
): Promise<TestRegistry> {
  let nowMs = 1_800_000_000_000;
  const clock: Clock = { nowMs: () => nowMs };
  const faults = createFaults();
  const { database, isInTransaction } = markTransactions(await open(t, { onQuery: faults.onQuery }));
  const blobs = options.blobs ?? (await openTestBlobs(clock));
  const lines: LogLine[] = [];
  const log = capturingLog(lines);
  const access = createTestAccess(database, clock, options.anonymousAccess ?? "none");
  const stores = {
    database,
    blobs: outsideTransactions(withFaults(blobs, faults), isInTransaction),
    clock,
    claimClock: clock,
    access,
    log,
  };
  const stamp = () => database.foreignChangeStamp();
  const instance = (instanceId: string): RegistryDeps => ({
    ...stores,
    newUploadId: () => newUuid() as UploadId, // as: a UUID has the form of an upload id
    instanceId,
    manifestCache: createManifestCache(1_000_000, { digests: stamp, tags: stamp }),
    blobCache: createBlobCache(1_000_000, stamp),
    sessions: createUploadSessions(someTurns),
    defaultNamespace: "library",
    defaultVisibility: options.defaultVisibility ?? "private",
    sparse: options.sparse ?? "indexes",
    isOpen: options.isOpen ?? false,
    gcGraceMs: options.gcGraceMs ?? graceMs,
    redirect: options.redirect,
  });
  let requests = 0;
  return {
    deps: instance("instance-1"),
    database,
    blobs,
    clock,
    faults,
    lines,
    advance: (ms) => {
      nowMs += ms;
    },
    call: (request = {}) => {
      requests += 1;
      return {
        requestId: `request-${requests}`,
        actor: request.actor ?? administrator,
        client: undefined,
        log,
        signal: request.signal ?? new AbortController().signal,
      };
    },
    instance,
  };
}

function createTestAccess(
  database: Database,
  clock: Clock,
  anonymousAccess: "none" | "pull" | "full",
): Access {
  const cache = createVersionedCache(database, clock, { maxEntries: 1_000 });
  return createAccess({ database, cache, clock, anonymousAccess, defaultNamespace: "library" });
}

function capturingLog(lines: LogLine[]): Log {
  const at = (level: LogLine["level"]) => (fields: LogFields, message: string) => {
    lines.push({ level, fields, message });
  };
  const log: Log = {
    error: at("error"),
    warn: at("warn"),
    info: at("info"),
    debug: at("debug"),
    child: () => log,
  };
  return log;
}

/** Long enough for others to do something: on this event loop, and with a database that is another process and may have to be connected to first. */
async function someTurns(): Promise<void> {
  for (let turns = 0; turns < 20; turns++) await nextTurn();
  await delay(25);
}
