import { containsPattern, literalPrefixOf, parseRepositoryPattern } from "@entrepot/oci/path-pattern";
import type { Access } from "../../access/access.ts";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { actorName } from "../../access/actor.ts";
import type { VersionedCache } from "../../access/versioned-cache.ts";
import { type Json, recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import { newSecret } from "../../lib/ids.ts";
import { type MaybePromise, whenReady } from "../../lib/maybe-promise.ts";
import type { SecretBox } from "../../lib/secret-box.ts";
import type { Database, Tx } from "../../storage/database/database.ts";
import { secretContext } from "./ask-decision-point.ts";
import type { DecisionMemory } from "./decision-memory.ts";
import {
  type DecisionPoint,
  type DecisionPointSettings,
  deleteDecisionPoint,
  type Invalidation,
  insertDecisionPoint,
  insertInvalidations,
  listDecisionPoints,
  lockDecisionPoints,
  updateDecisionPoint,
} from "./decision-point-store.ts";

export type { DecisionPoint };

export interface ManagePointsDeps {
  readonly database: Database;
  readonly cache: VersionedCache;
  readonly clock: Clock;
  readonly secretBox: SecretBox;
  readonly memory: DecisionMemory;
  readonly access: Pick<Access, "changed">;
}

/** What is given when a point is made or changed; the rest stays, or is as the defaults say. */
export interface DecisionPointChange {
  readonly pattern?: string;
  readonly url?: string;
  readonly secret?: string;
  readonly timeoutMs?: number;
  readonly serveStaleSeconds?: number;
  readonly maxConcurrent?: number;
  readonly allowsAnonymous?: boolean;
  readonly answersLogin?: boolean;
}

const maxPoints = 100;
const defaults = {
  timeoutMs: 2_000,
  serveStaleSeconds: 0,
  maxConcurrent: 50,
  allowsAnonymous: false,
  answersLogin: true,
};

/** All of them as everybody knows them now, those with the longest literal path first: the first that matches decides. */
export function knownDecisionPoints(
  deps: Pick<ManagePointsDeps, "database" | "cache">,
): MaybePromise<readonly DecisionPoint[]> {
  const found = deps.cache.get("decision points", async () => ({
    points: (await listDecisionPoints(deps.database.read)).toSorted(
      (left, right) => literalPrefixOf(right.pattern).length - literalPrefixOf(left.pattern).length,
    ),
  }));
  return whenReady(found, ({ points }) => points);
}

/** The point of that name; `NOT_FOUND` when there is none. */
export async function getDecisionPoint(deps: ManagePointsDeps, name: string): Promise<DecisionPoint> {
  return pick(await listDecisionPoints(deps.database.read), name);
}

/**
 * Hands the repositories of a pattern over: from the commit on nobody but the registry's administrators may anything there that the point does not permit.
 * Tells the secret, which is never told again. `ALREADY_EXISTS` when the name is taken, or another's pattern names all that this one does, or the other way
 * round; `NAME_INVALID` for a pattern that is none; `REQUEST_INVALID` for an address that is none.
 */
export async function createDecisionPoint(
  deps: ManagePointsDeps,
  call: Call,
  point: DecisionPointChange & { readonly name: string; readonly pattern: string; readonly url: string },
): Promise<{ readonly point: DecisionPoint; readonly secret: string }> {
  const { name } = point;
  const secret = point.secret ?? newSecret();
  const sealedSecret = deps.secretBox.seal(secret, secretContext(name));
  const settings = {
    ...defaults,
    ...settingsOf(point),
    sealedSecret,
    ...addressOf(point.pattern, point.url),
  };
  const created = await change(deps, async (tx, points) => {
    if (points.some((other) => other.name === name)) {
      throw new AppError("ALREADY_EXISTS", `there is a decision point ${name} already`);
    }
    if (points.length >= maxPoints)
      throw new AppError("REQUEST_INVALID", `more than ${maxPoints} are too many`);
    refuseOverlap(points, settings);
    const createdBy = actorName(call.actor);
    await insertDecisionPoint(tx, { ...settings, name, createdAtMs: deps.clock.nowMs(), createdBy });
    await audit(deps, tx, call, { action: "decision-point.create", name, after: told(settings) });
    return pick(await listDecisionPoints(tx), name);
  });
  return { point: created, secret };
}

/** Changes what is given. Answers from before are no longer used. Errors as above, and `NOT_FOUND`. May be repeated. */
export async function changeDecisionPoint(
  deps: ManagePointsDeps,
  call: Call,
  name: string,
  wanted: DecisionPointChange,
): Promise<DecisionPoint> {
  return change(deps, async (tx, points) => {
    const before = pick(points, name);
    const { pattern = before.pattern, url = before.url, secret } = wanted;
    const sealedSecret =
      secret === undefined ? before.sealedSecret : deps.secretBox.seal(secret, secretContext(name));
    const settings = { ...before, ...settingsOf(wanted), sealedSecret, ...addressOf(pattern, url) };
    refuseOverlap(
      points.filter((other) => other.id !== before.id),
      settings,
    );
    await updateDecisionPoint(tx, before.id, settings);
    const after = { ...told(settings), ...(secret === undefined ? {} : { secretChanged: true }) };
    await audit(deps, tx, call, { action: "decision-point.update", name, before: told(before), after });
    return pick(await listDecisionPoints(tx), name);
  });
}

/** Takes the repositories back: from the commit on our own grants decide, and whoever the point vouched for is nobody. `NOT_FOUND`. */
export async function removeDecisionPoint(deps: ManagePointsDeps, call: Call, name: string): Promise<void> {
  await change(deps, async (tx, points) => {
    const before = pick(points, name);
    await deleteDecisionPoint(tx, before.id);
    await audit(deps, tx, call, { action: "decision-point.delete", name, before: told(before) });
  });
}

/** Takes answers of a point back, here at once, in other processes within a second or so. May be repeated. */
export async function invalidateDecisions(
  deps: ManagePointsDeps,
  call: Call,
  point: DecisionPoint,
  subjects: readonly Pick<Invalidation, "kind" | "subject">[],
): Promise<void> {
  const nowMs = deps.clock.nowMs();
  await deps.database.transaction(async (tx) => {
    await insertInvalidations(
      tx,
      subjects.map((subject) => ({ ...subject, pointId: point.id })),
      nowMs,
    );
    const detail = subjects.map(({ kind, subject }) => `${kind} ${subject}`.trim());
    await recordAudit(tx, call, nowMs, {
      action: "decision-point.invalidate",
      target: `decision point ${point.name}`,
      detail,
    });
  });
  deps.memory.changed();
}

async function change<T>(
  deps: ManagePointsDeps,
  work: (tx: Tx, points: readonly DecisionPoint[]) => Promise<T>,
): Promise<T> {
  const done = await deps.database.transaction(async (tx) => {
    const result = await work(tx, await lockDecisionPoints(tx));
    await bumpAccessVersion(tx);
    return result;
  });
  deps.access.changed();
  return done;
}

function audit(
  deps: ManagePointsDeps,
  tx: Tx,
  call: Call,
  entry: { readonly action: string; readonly name: string; readonly before?: Json; readonly after?: Json },
): Promise<void> {
  const { name, ...rest } = entry;
  return recordAudit(tx, call, deps.clock.nowMs(), { ...rest, target: `decision point ${name}` });
}

function pick(points: readonly DecisionPoint[], name: string): DecisionPoint {
  const found = points.find((point) => point.name === name);
  if (found === undefined) throw new AppError("NOT_FOUND", "there is no such decision point");
  return found;
}

function settingsOf(change: DecisionPointChange): Partial<DecisionPointSettings> {
  const { timeoutMs, serveStaleSeconds, maxConcurrent, allowsAnonymous, answersLogin } = change;
  return {
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(serveStaleSeconds !== undefined && { serveStaleSeconds }),
    ...(maxConcurrent !== undefined && { maxConcurrent }),
    ...(allowsAnonymous !== undefined && { allowsAnonymous }),
    ...(answersLogin !== undefined && { answersLogin }),
  };
}

function addressOf(pattern: string, url: string) {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const isHere = parsed !== undefined && ["localhost", "127.0.0.1", "[::1]"].includes(parsed.hostname);
  const isSafe = parsed?.protocol === "https:" || (parsed?.protocol === "http:" && isHere);
  if (
    parsed === undefined ||
    !isSafe ||
    parsed.username !== "" ||
    parsed.password !== "" ||
    parsed.hash !== ""
  ) {
    throw new AppError(
      "REQUEST_INVALID",
      "the url must be an https address without user or password: passwords are sent there",
    );
  }
  return { pattern: parseRepositoryPattern(pattern), url };
}

function refuseOverlap(others: readonly DecisionPoint[], { pattern }: Pick<DecisionPoint, "pattern">): void {
  const other = others.find(
    (one) => containsPattern(one.pattern, pattern) && containsPattern(pattern, one.pattern),
  );
  if (other === undefined) return;
  throw new AppError(
    "ALREADY_EXISTS",
    `the decision point ${other.name} decides about just these repositories`,
  );
}

function told(settings: DecisionPointSettings): { readonly [key: string]: Json } {
  const { pattern, url, timeoutMs, serveStaleSeconds, maxConcurrent, allowsAnonymous, answersLogin } =
    settings;
  return { pattern, url, timeoutMs, serveStaleSeconds, maxConcurrent, allowsAnonymous, answersLogin };
}
