import { type Endpoint, endpoint, type Reply } from "../../http/endpoint.ts";
import { checkEndToEnd, checkInstance, type Health, type HealthDeps } from "./check-health.ts";

const reply = async () => (await import("./health-schema.ts")).healthReply;

/** For load balancers and watchers: 200 or 503, and which part fails. */
export function healthEndpoints(deps: HealthDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "health.instance",
      method: "GET",
      path: "/health/instance",
      can: { who: "public" },
      summary: "Whether this process takes requests; 503 while it stops.",
      reply,
      handle: async () => answer(checkInstance(deps)),
    }),
    endpoint({
      id: "health.endtoend",
      method: "GET",
      path: "/health/endtoend",
      can: { who: "public" },
      summary: "Whether database and storage work, by using them.",
      reply,
      handle: async () => answer(await checkEndToEnd(deps)),
    }),
  ];
}

function answer(health: Health): Reply {
  return {
    status: health.status === "ok" ? 200 : 503,
    headers: { "cache-control": "no-store" },
    body: { kind: "json", value: health },
  };
}
