import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import type { HoldRequest, RunRequest } from "./garbage-collection-schema.ts";
import type { GarbageCollector } from "./garbage-collector.ts";

const schemas = () => import("./garbage-collection-schema.ts");

/** Management of the collector: what it would do, and a pass now. It runs by itself all the time. */
export function garbageCollectionEndpoints(
  collector: GarbageCollector,
  wake: () => void,
): readonly Endpoint[] {
  const status = async () => ({
    candidates: await collector.preview(),
    lastPass: (await collector.lastPass()) ?? null,
    heldUntilMs: (await collector.heldUntil()) ?? null,
  });
  return [
    endpoint({
      id: "garbage-collection.get",
      method: "GET",
      path: "/api/v1/garbage-collection",
      can: { who: "administrator" },
      summary: "What a pass would remove now, and what the last one removed.",
      reply: async () => (await schemas()).garbageReply,
      handle: async () => ({ status: 200, body: { kind: "json", value: await status() } }),
    }),
    endpoint({
      id: "garbage-collection.run",
      method: "POST",
      path: "/api/v1/garbage-collection/runs",
      can: { who: "administrator" },
      summary: "Collect garbage now, or only tell what would go (`dryRun`).",
      body: async () => (await schemas()).runRequest,
      reply: async () => (await schemas()).passReply,
      handle: async (call, request) => {
        const { dryRun } = request.body as RunRequest; // as: checked against `body` before
        const value = dryRun ? await status() : await collector.runNow(call, wake, call.signal);
        return { status: 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "garbage-collection.hold",
      method: "PUT",
      path: "/api/v1/garbage-collection/hold",
      can: { who: "administrator" },
      summary: "Remove no bytes from storage for some hours, on any instance, while they are backed up.",
      body: async () => (await schemas()).holdRequest,
      reply: async () => (await schemas()).holdReply,
      handle: async (call, request) => {
        const { hours } = request.body as HoldRequest; // as: checked against `body` before
        const value = { heldUntilMs: await collector.hold(call, hours * 3_600_000) };
        return { status: 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "garbage-collection.release",
      method: "DELETE",
      path: "/api/v1/garbage-collection/hold",
      can: { who: "administrator" },
      summary: "End the hold before its time.",
      handle: async (call) => {
        await collector.release(call);
        return { status: 204 };
      },
    }),
  ];
}
