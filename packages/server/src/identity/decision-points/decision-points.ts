import type { Registry as MetricsRegistry } from "prom-client";
import type { DecisionDelegate } from "../../access/access.ts";
import type { VersionedCache } from "../../access/versioned-cache.ts";
import type { Endpoint } from "../../http/endpoint.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { OutgoingHttp } from "../../lib/outgoing-http.ts";
import type { SecretBox } from "../../lib/secret-box.ts";
import type { Database } from "../../storage/database/database.ts";
import { type Asked, createAskDecisionPoint } from "./ask-decision-point.ts";
import { createOutsideDecisions } from "./decide-outside.ts";
import { createDecisionMemory, type DecisionMemory } from "./decision-memory.ts";
import { declareDecisionMetrics } from "./decision-metrics.ts";
import { type DecisionPointRoutesDeps, decisionPointEndpoints } from "./decision-point-routes.ts";
import { knownDecisionPoints } from "./manage-decision-points.ts";
import { createSignInOutside, type SignInOutside } from "./sign-in-outside.ts";

export interface DecisionPointsDeps {
  readonly database: Database;
  readonly cache: VersionedCache;
  readonly clock: Clock;
  readonly log: Log;
  readonly secretBox: SecretBox;
  readonly outgoing: OutgoingHttp;
}

/** Those outside who decide, as the areas around see them. Built before `Access`, which asks them. */
export interface DecisionPoints {
  readonly delegate: DecisionDelegate;
  readonly memory: DecisionMemory;
  readonly signIn: SignInOutside;
  /** Whether the authority of an actor is one of them still. */
  knows(authority: string): Promise<boolean>;
  /** Their management, and the notices that they send. */
  endpoints(areas: Pick<DecisionPointRoutesDeps, "access" | "setRepositoryState">): readonly Endpoint[];
  /** From now on questions are counted there. */
  measure(registry: MetricsRegistry): void;
}

export function createDecisionPoints(deps: DecisionPointsDeps): DecisionPoints {
  const { database, cache, clock } = deps;
  let observer: ((asked: Asked) => void) | undefined;
  const memory = createDecisionMemory(database, clock);
  const ask = createAskDecisionPoint({ ...deps, observe: (asked) => observer?.(asked) });
  const points = () => knownDecisionPoints({ database, cache });
  const decisions = createOutsideDecisions({ clock, memory, ask, points });
  return {
    delegate: decisions,
    memory,
    signIn: createSignInOutside({ clock, memory, ask, points }),
    knows: async (authority) => (await decisions.pointOf(authority)) !== undefined,
    endpoints: (areas) =>
      decisionPointEndpoints({
        ...deps,
        ...areas,
        memory,
        authorityOf: (name) => decisions.authorityOf(name),
      }),
    measure(registry) {
      observer = declareDecisionMetrics(registry);
    },
  };
}
