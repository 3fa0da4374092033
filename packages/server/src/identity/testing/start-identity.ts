import type { TestContext } from "node:test";
import { parseRepositoryName, type RepositoryName } from "@entrepot/oci/repository-name";
import { Registry as MetricsRegistry } from "prom-client";
import type { Access } from "../../access/access.ts";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import type { Actor } from "../../access/actor.ts";
import { createAccess } from "../../access/create-access.ts";
import { readableCandidates } from "../../access/readable-store.ts";
import { toVisibility } from "../../access/rights-store.ts";
import { createVersionedCache, type VersionedCache } from "../../access/versioned-cache.ts";
import { type AuditTrail, silentAuditTrail } from "../../activity/audit/audit-trail.ts";
import { createMailQueue } from "../../activity/email/mail-queue.ts";
import { endpoint } from "../../http/endpoint.ts";
import { type LogLine, startTestServer } from "../../http/testing/test-server.ts";
import { parseIpNetwork } from "../../lib/ip-network.ts";
import type { Log, LogFields } from "../../lib/log.ts";
import { createOutgoingHttp } from "../../lib/outgoing-http.ts";
import { createSecretBox } from "../../lib/secret-box.ts";
import type { Database } from "../../storage/database/database.ts";
import { createDecisionPoints, type DecisionPoints } from "../decision-points/decision-points.ts";
import { createIdentity, type Identity } from "../identity.ts";
import type { AccountSettings, SessionSettings } from "../identity-deps.ts";
import type { OrganizationSettings } from "../organizations/organization-settings.ts";
import { createTokenIssuers } from "../token-issuers/token-issuers.ts";
import { createMovableClock, type MovableClock } from "./movable-clock.ts";

/** One instance: identity and access over a database, behind a real HTTP server. */
export interface TestIdentity {
  readonly database: Database;
  readonly clock: MovableClock;
  readonly cache: VersionedCache;
  readonly access: Access;
  readonly identity: Identity;
  readonly decisions: DecisionPoints;
  readonly metrics: MetricsRegistry;
  readonly origin: string;
  readonly lines: readonly LogLine[];
  fetch(path: string, init?: RequestInit & { readonly authorization?: string }): Promise<Response>;
}

export interface TestIdentityOptions {
  readonly accounts?: AccountSettings;
  readonly clock?: MovableClock;
  readonly anonymousAccess?: "none" | "pull" | "full";
  readonly tokenLifetimeMs?: number;
  readonly keyRotationMs?: number;
  readonly trustProxy?: boolean;
  readonly passwordsOnRegistry?: "allowed" | "encrypted" | "refused";
  readonly organizations?: Partial<OrganizationSettings>;
  readonly trail?: AuditTrail;
  readonly sessions?: Partial<SessionSettings>;
  readonly mfaRequiredOf?: "nobody" | "administrators" | "everybody";
}

export const password = "correct horse battery";
export const service = "registry.test";
export const administrator = "ada";

/** Opens it over `database`; several over one database are several instances. */
export async function startIdentity(
  t: TestContext,
  database: Database,
  options: TestIdentityOptions = {},
): Promise<TestIdentity> {
  const clock = options.clock ?? createMovableClock();
  const cache = createVersionedCache(database, clock, { maxEntries: 1_000 });
  const lines: LogLine[] = [];
  const log = recordingLog(lines, {});
  const outgoing = createOutgoingHttp({ allowedNetworks: [parseIpNetwork("127.0.0.0/8")] });
  t.after(() => outgoing.close());
  const secretBox = createSecretBox([Buffer.alloc(32, 1)]);
  const tokenIssuers = createTokenIssuers({ database, cache, clock, outgoing });
  const decisions = createDecisionPoints({ database, cache, clock, log, secretBox, outgoing });
  const access = createAccess({
    database,
    cache,
    clock,
    anonymousAccess: options.anonymousAccess ?? "none",
    defaultNamespace: "library",
    delegate: decisions.delegate,
  });
  const identity = createIdentity({
    database,
    access,
    outside: { ...decisions, verifyToken: tokenIssuers.verifyToken },
    cache,
    clock,
    log,
    outgoing,
    passwordsOnRegistry: options.passwordsOnRegistry ?? "allowed",
    secretBox,
    mails: createMailQueue(secretBox),
    trail: options.trail ?? silentAuditTrail,
    defaultNamespace: "library",
    tokens: {
      service,
      lifetimeMs: options.tokenLifetimeMs ?? 300_000,
      keyRotationMs: options.keyRotationMs ?? 30 * 86_400_000,
    },
    accounts: options.accounts ?? { signUp: "off", allowedDomains: [] },
    sessions: {
      lifetimeMs: 7 * 86_400_000,
      idleMs: 8 * 3_600_000,
      recentMs: 600_000,
      tellsOfNewNetworks: true,
      ...options.sessions,
    },
    mfa: { requiredOf: options.mfaRequiredOf ?? "nobody" },
    organizations: {
      createdBy: "everyone",
      newMembers: "added",
      invitationDays: 7,
      maxRobotDays: 0,
      ...options.organizations,
    },
  });
  const metrics = new MetricsRegistry();
  decisions.measure(metrics);
  const endpoints = [
    ...identity.endpoints,
    ...tokenIssuers.endpoints(access),
    ...decisions.endpoints({
      access,
      setRepositoryState: (_call, ...to) => setState(database, access, ...to),
    }),
    ...probes(access, database),
  ];
  const server = await startTestServer(t, endpoints, {
    access,
    authenticate: identity.authenticate,
    realmOf: (repository) => tokenIssuers.realmOf(repository),
    signInRules: identity.signInRules,
    admit: identity.admit,
    clock,
    tokenService: service,
    trustProxy: options.trustProxy ?? false,
    log,
  });
  const origin = `http://127.0.0.1:${server.port}`;
  return {
    database,
    clock,
    cache,
    access,
    identity,
    decisions,
    metrics,
    origin,
    lines,
    fetch(path, { authorization, ...init } = {}) {
      const headers = new Headers(init.headers);
      if (authorization !== undefined) headers.set("authorization", authorization);
      return fetch(`${origin}${path}`, { ...init, headers });
    },
  };
}

/** As the registry area would do it. */
async function setState(database: Database, access: Access, name: string, state: string): Promise<void> {
  await database.transaction(async (tx) => {
    await tx.updateTable("repositories").set({ state }).where("name", "=", name).execute();
    await bumpAccessVersion(tx);
  });
  access.changed();
}

/** What a repository's endpoints decide, without a registry: 204 when the caller may. */
function probes(access: Access, database: Database) {
  return [
    ...(["pull", "push", "delete", "admin"] as const).map((action) =>
      endpoint({
        id: `probe.${action}`,
        method: "GET",
        path: `/v2/{name}/probe/${action}`,
        can: { who: "repository", action },
        summary: "A test.",
        handle: async () => ({ status: 204 }),
      }),
    ),
    ...(["GET", "HEAD"] as const).map((method) =>
      endpoint({
        id: `manifests.${method.toLowerCase()}`,
        method,
        path: "/v2/{name}/manifests/{reference}",
        can: { who: "repository", action: "pull" },
        summary: "A test.",
        handle: async () => ({ status: 204 }),
      }),
    ),
    endpoint({
      id: "probe.readable",
      method: "GET",
      path: "/v2/_catalog",
      can: { who: "identified" },
      summary: "A test.",
      extraScopes: () => [{ type: "registry", name: "catalog", actions: ["*"] }],
      handle: async ({ actor }) => ({
        status: 200,
        body: { kind: "json", value: await listReadable(access, database, actor) },
      }),
    }),
  ];
}

/** The names of all repositories that the actor may list. */
async function listReadable(access: Access, database: Database, actor: Actor): Promise<readonly string[]> {
  const readable = await access.readableRepositories(actor);
  const rows = await database.read
    .selectFrom("repositories as r")
    .select(["r.id", "r.name", "r.namespace_id", "r.visibility"])
    .where(readableCandidates(readable))
    .orderBy("r.name")
    .execute();
  const listed = rows.map((row) => ({
    id: row.id,
    name: row.name,
    namespaceId: row.namespace_id,
    visibility: toVisibility(row.visibility),
  }));
  const answers = readable.kind === "all" ? listed.map(() => true) : await readable.admits(listed);
  return listed.filter((_, index) => answers[index] === true).map(({ name }) => name);
}

export function basic(username: string, secret: string): string {
  return `Basic ${Buffer.from(`${username}:${secret}`).toString("base64")}`;
}

export function bearer(token: string): string {
  return `Bearer ${token}`;
}

/** A repository by its row, as the registry area would make it; its namespace is made when it is missing. */
export async function insertRepository(
  instance: Pick<TestIdentity, "database" | "access">,
  name: string,
  visibility: "private" | "public" = "private",
): Promise<RepositoryName> {
  const slash = name.indexOf("/");
  const namespace = slash < 0 ? "library" : name.slice(0, slash);
  await instance.database.transaction(async (tx) => {
    await tx
      .insertInto("namespaces")
      .values({
        name: namespace,
        kind: "organization",
        owner_user_id: null,
        default_visibility: "private",
        create_on_push: 1,
        created_at_ms: 0,
      })
      .onConflict((conflict) => conflict.column("name").doNothing())
      .execute();
    const { id } = await tx
      .selectFrom("namespaces")
      .select("id")
      .where("name", "=", namespace)
      .executeTakeFirstOrThrow();
    await tx
      .insertInto("repositories")
      .values({ name, namespace_id: id, visibility, created_at_ms: 0 })
      .execute();
    await bumpAccessVersion(tx);
  });
  instance.access.changed();
  return parseRepositoryName(name);
}

/** Gets a bearer token as docker does. */
export async function getToken(
  instance: TestIdentity,
  scope: string,
  authorization?: string,
): Promise<string> {
  const query = new URLSearchParams({ service, scope });
  const reply = await instance.fetch(
    `/token?${query.toString()}`,
    authorization === undefined ? {} : { authorization },
  );
  const text = await reply.text();
  if (reply.status !== 200) throw new Error(`no token: ${reply.status} ${text}`);
  return textField(JSON.parse(text), "token");
}

/** One field of a JSON reply that must be text. */
export function textField(value: unknown, name: string): string {
  const found = field(value, name);
  if (typeof found !== "string") throw new Error(`${name} is no text: ${JSON.stringify(value)}`);
  return found;
}

export function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) throw new Error("no object");
  return Reflect.get(value, name);
}

export function postForm(
  instance: TestIdentity,
  fields: Readonly<Record<string, string>>,
): Promise<Response> {
  return instance.fetch("/token", { method: "POST", body: new URLSearchParams(fields) });
}

export function sendJson(
  instance: TestIdentity,
  method: string,
  path: string,
  authorization: string,
  body?: unknown,
): Promise<Response> {
  return instance.fetch(path, {
    method,
    authorization,
    ...(body === undefined
      ? {}
      : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });
}

function recordingLog(lines: LogLine[], bound: LogFields): Log {
  const at = (level: LogLine["level"]) => (fields: LogFields, message: string) => {
    lines.push({ level, fields: { ...bound, ...fields }, message });
  };
  return {
    error: at("error"),
    warn: at("warn"),
    info: at("info"),
    debug: at("debug"),
    child: (fields) => recordingLog(lines, { ...bound, ...fields }),
  };
}
