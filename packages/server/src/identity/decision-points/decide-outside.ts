import { matchesRepository, type RepositoryPattern } from "@entrepot/oci/path-pattern";
import type { DecisionDelegate } from "../../access/access.ts";
import { type RepositoryAction, repositoryActions } from "../../access/actions.ts";
import type { Actor } from "../../access/actor.ts";
import type { Clock } from "../../lib/clock.ts";
import { type MaybePromise, whenReady } from "../../lib/maybe-promise.ts";
import type { AskDecisionPoint } from "./ask-decision-point.ts";
import type { DecisionMemory } from "./decision-memory.ts";
import type { DecisionPoint } from "./decision-point-store.ts";
import { type CreateAnswer, maxBatch } from "./decision-protocol.ts";

export interface DecideDeps {
  readonly clock: Clock;
  readonly memory: DecisionMemory;
  readonly ask: AskDecisionPoint;
  /** All of them, those with the longest literal path first. */
  readonly points: () => MaybePromise<readonly DecisionPoint[]>;
}

export interface OutsideDecisions extends DecisionDelegate {
  /** The point of an authority; undefined when there is none any more. */
  pointOf(authority: string): Promise<DecisionPoint | undefined>;
}

/** The name of a point in actors and tokens. By its number, as another point may come to have its name. */
export function authorityName(point: Pick<DecisionPoint, "id">): string {
  return `decision-point:${point.id}`;
}

/**
 * Decides for the repositories of decision points. Answers are used as long as they say and no longer; when none can be had, one that has ended
 * stands in for as long as the point's settings allow, and then `UNAVAILABLE` says so: nothing is permitted.
 */
export function createOutsideDecisions(deps: DecideDeps): OutsideDecisions {
  const { clock, memory, ask } = deps;

  async function pointOf(authority: string): Promise<DecisionPoint | undefined> {
    return (await deps.points()).find((point) => authorityName(point) === authority);
  }

  /** Undefined = nobody whom the point knows, and it is not asked about such. */
  function principalOf(point: DecisionPoint, actor: Actor): { readonly id: string | null } | undefined {
    if (actor.kind === "external" && actor.authority === authorityName(point)) return { id: actor.principal };
    // Accounts of the house and of other authorities are strangers there: they have what nobody in particular has.
    return point.allowsAnonymous ? { id: null } : undefined;
  }

  async function authorizeBatch(
    point: DecisionPoint,
    principal: string | null,
    names: readonly string[],
  ): Promise<ReadonlyMap<string, readonly RepositoryAction[]>> {
    const askedAtMs = clock.nowMs();
    const asOf = await memory.sync();
    const keyOf = (name: string) => keyFor(point, "authorize", principal, name);
    const staleMs = point.serveStaleSeconds * 1_000;
    const known = new Map(
      names.map((name) => [name, memory.find<readonly RepositoryAction[]>(keyOf(name), staleMs)] as const),
    );
    const answers = new Map(
      [...known].flatMap(([name, kept]) => (kept?.isFresh === true ? [[name, kept.value] as const] : [])),
    );
    const open = names.filter((name) => !answers.has(name));
    if (open.length === 0) return answers;
    try {
      const { granted, ttlSeconds, cacheKey } = await ask(point, {
        intent: "authorize",
        principal,
        repositories: open.map((name) => ({ name, actions: repositoryActions })),
      });
      for (const repository of open) {
        const actions = granted.get(repository) ?? [];
        answers.set(repository, actions);
        if (ttlSeconds === 0) continue;
        const about = { pointId: point.id, principal: principal ?? undefined, repository, cacheKey };
        memory.keep(keyOf(repository), actions, { ...about, asOf, askedAtMs, ttlMs: ttlSeconds * 1_000 });
      }
    } catch (error) {
      for (const name of open) {
        const kept = known.get(name);
        if (kept === undefined) throw error;
        answers.set(name, kept.value);
      }
    }
    return answers;
  }

  return {
    pointOf,
    authorityOf: (repository) =>
      whenReady(deps.points(), (points) => {
        const point = points.find(({ pattern }) => matchesRepository(pattern, repository));
        return point && authorityName(point);
      }),
    async delegatedPatterns(): Promise<readonly RepositoryPattern[]> {
      return (await deps.points()).map(({ pattern }) => pattern);
    },
    async permitted(authority, actor, actions, repositories) {
      const point = await pointOf(authority);
      const principal = point && principalOf(point, actor);
      if (point === undefined || principal === undefined) return repositories.map(() => []);
      const found = new Map<string, readonly RepositoryAction[]>();
      for (let start = 0; start < repositories.length; start += maxBatch) {
        const batch = repositories.slice(start, start + maxBatch);
        for (const [name, granted] of await authorizeBatch(point, principal.id, batch))
          found.set(name, granted);
      }
      return repositories.map((name) =>
        actions.filter((action) => found.get(name)?.includes(action) === true),
      );
    },
    async mayCreate(authority, actor, repository) {
      const point = await pointOf(authority);
      const principal = point && principalOf(point, actor);
      if (point === undefined || principal === undefined) return false;
      const askedAtMs = clock.nowMs();
      const asOf = await memory.sync();
      const key = keyFor(point, "create", principal.id, repository);
      // Never a stale one: what is made by it stays.
      const kept = memory.find<CreateAnswer>(key, 0);
      if (kept !== undefined) return kept.value.allowed;
      const answer = await ask(point, { intent: "create", principal: principal.id, repository });
      const { ttlSeconds, cacheKey } = answer;
      if (ttlSeconds > 0) {
        const about = { pointId: point.id, principal: principal.id ?? undefined, repository, cacheKey };
        memory.keep(key, answer, { ...about, asOf, askedAtMs, ttlMs: ttlSeconds * 1_000 });
      }
      return answer.allowed;
    },
  };
}

/** As JSON, so that no name can run into the next part. Another revision of a point has other keys. */
function keyFor(point: DecisionPoint, intent: string, principal: string | null, name: string): string {
  return JSON.stringify([point.id, point.revision, intent, principal, name]);
}
