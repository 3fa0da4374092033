import { type Endpoint, endpoint, type Reply } from "../../http/endpoint.ts";
import {
  checkInstance,
  checkReady,
  createSharedCheck,
  type Health,
  type HealthDeps,
} from "./check-health.ts";

const reply = async () => (await import("./health-schema.ts")).healthReply;

/** For load balancers and watchers: 200 or 503, and which part fails. */
export function healthEndpoints(deps: HealthDeps): readonly Endpoint[] {
  const health = (name: string, summary: string, check: () => Health | Promise<Health>): Endpoint =>
    endpoint({
      id: `health.${name}`,
      method: "GET",
      path: `/health/${name}`,
      can: { who: "public" },
      summary,
      reply,
      handle: async () => answer(await check()),
    });
  const checkWhole = createSharedCheck(deps);
  return [
    health(
      "live",
      "Whether this process answers at all; when it does not, it should be started again.",
      () => ({
        status: "ok",
        parts: [{ name: "process", ok: true }],
      }),
    ),
    health(
      "ready",
      "Whether this process takes requests; 503 from the moment when it is told to stop, or its SQLite database has moved.",
      () => checkReady(deps),
    ),
    health(
      "instance",
      "Whether this process and its machine are well: stopping, event loop, keys, background work, room on the disk.",
      () => checkInstance(deps),
    ),
    health(
      "endtoend",
      "Whether database, storage and tokens work, by using them; `degraded`, and 200, while one of several storage regions or the read replica fails.",
      checkWhole,
    ),
  ];
}

function answer(health: Health): Reply {
  return {
    status: health.status === "ok" || health.status === "degraded" ? 200 : 503,
    headers: { "cache-control": "no-store" },
    body: { kind: "json", value: health },
  };
}
