import { type Endpoint, endpoint, type Reply } from "../../http/endpoint.ts";
import {
  checkInstance,
  checkReady,
  createSharedCheck,
  type Health,
  type HealthDeps,
} from "./check-health.ts";

const schemas = () => import("./health-schema.ts");
const reply = async () => (await schemas()).healthReply;

/** For load balancers and watchers: 200 or 503, and which part fails; for administrators and auditors why, too. */
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
      "Whether this process and its machine are well: stopping, event loop, keys, background work, room on the disk; 503 also when its SQLite database has moved.",
      () => checkInstance(deps),
    ),
    health(
      "endtoend",
      "Whether database, storage and tokens work, by using them; `degraded`, and 200, while one of several storage regions or the read replica fails.",
      checkWhole,
    ),
    endpoint({
      id: "health.get",
      method: "GET",
      path: "/api/v1/health",
      can: { who: "auditor" },
      summary:
        "What the public health checks look at, with the errors as they come: names of hosts and folders, the database's own words. 200 also when parts fail.",
      reply: async () => (await schemas()).detailedHealthReply,
      handle: async () => {
        const [instance, endtoend] = await Promise.all([checkInstance(deps), checkWhole()]);
        return {
          status: 200,
          headers: { "cache-control": "no-store" },
          body: {
            kind: "json",
            value: { instance: shapeDetails(instance), endtoend: shapeDetails(endtoend) },
          },
        };
      },
    }),
  ];
}

function answer(health: Health): Reply {
  return {
    status: health.status === "ok" || health.status === "degraded" ? 200 : 503,
    headers: { "cache-control": "no-store" },
    body: { kind: "json", value: shapePublic(health) },
  };
}

/** Anybody may ask, so nothing that a driver or the system said is shown. */
function shapePublic({ status, parts }: Health) {
  const shaped = parts.map(({ name, ok, code, told }) =>
    ok ? { name, ok } : { name, ok, code, error: told },
  );
  return { status, parts: shaped };
}

function shapeDetails({ status, parts }: Health) {
  const shaped = parts.map(({ name, ok, code, error }) => (ok ? { name, ok } : { name, ok, code, error }));
  return { status, parts: shaped };
}
