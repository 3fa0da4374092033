import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import type { NewForwarder } from "./audit-schema.ts";
import type { ForwardingDeps } from "./forwarders/forward-entries.ts";
import {
  removeForwarder,
  type ShownForwarder,
  saveForwarder,
  showForwarders,
} from "./forwarders/manage-forwarders.ts";

const schemas = () => import("./audit-schema.ts");

const collection = "/api/v1/audit/forwarders";
const item = `${collection}/{forwarder}`;
const administrator = { who: "administrator" } as const;

/** Where the audit log is sent: seen by auditors, changed by administrators. */
export function forwarderEndpoints(deps: ForwardingDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "audit-forwarders.list",
      method: "GET",
      path: collection,
      can: { who: "auditor" },
      summary: "Where audit entries are sent, and how far each receiver is behind.",
      reply: async () => (await schemas()).forwarderList,
      handle: async () => {
        const forwarders = (await showForwarders(deps)).map(shape);
        return { status: 200, body: { kind: "json", value: { forwarders } } };
      },
    }),
    endpoint({
      id: "audit-forwarders.set",
      method: "PUT",
      path: item,
      can: administrator,
      needsRecentSignIn: true,
      summary: "Send audit entries somewhere, from now on: syslog over TLS, or signed posts over https.",
      body: async () => (await schemas()).newForwarder,
      reply: async () => (await schemas()).savedForwarder,
      handle: async (call, request) => {
        const body = request.body as NewForwarder; // as: checked against `body` before
        const { secret, ...saved } = await saveForwarder(deps, call, request.params["forwarder"] ?? "", body);
        const value = { ...shape(saved), ...(secret === undefined ? {} : { secret }) };
        return { status: 200, headers: { "cache-control": "no-store" }, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "audit-forwarders.delete",
      method: "DELETE",
      path: item,
      can: administrator,
      needsRecentSignIn: true,
      summary: "Send audit entries there no longer.",
      handle: async (call, request) => {
        await removeForwarder(deps, call, request.params["forwarder"] ?? "");
        return { status: 204 };
      },
    }),
  ];
}

function shape({ forwarder, waiting }: ShownForwarder) {
  const { kind, ...settings } = forwarder.settings;
  return {
    name: forwarder.name,
    kind,
    settings,
    isEnabled: forwarder.isEnabled,
    sentSequence: forwarder.sentSequence,
    waiting,
    sentAtMs: forwarder.sentAtMs ?? null,
    failures: forwarder.failures,
    nextAttemptAtMs: forwarder.nextAttemptAtMs,
    lastError: forwarder.lastError ?? null,
    createdAtMs: forwarder.createdAtMs,
    createdBy: forwarder.createdBy,
  };
}
