import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import { parsePage } from "../../lib/page.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { freeName, listReservedNames, reserveName } from "./manage-reserved-names.ts";

const limits = { defaultLimit: 100, maxLimit: 1_000 };
const administrator = { who: "administrator" } as const;
const item = "/api/v1/reserved-names/{reserved}";

/** Names that no new namespace can have, against squatting; for administrators. */
export function reservedNameEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "reserved-names.list",
      method: "GET",
      path: "/api/v1/reserved-names",
      can: { who: "auditor" },
      summary: "Names that no new namespace can have, old names of renamed ones included (`n`, `last`).",
      reply: async () => (await import("./reserved-name-schema.ts")).reservedNameList,
      handle: async (_call, request) => {
        const page = parsePage(request.query, limits);
        const { names, hasMore } = await listReservedNames(deps, page);
        const last = names.at(-1)?.name;
        const next =
          hasMore && last !== undefined ? `/api/v1/reserved-names?n=${page.limit}&last=${last}` : null;
        const value = {
          names: names.map(({ name, namespace = null, createdAtMs }) => ({ name, namespace, createdAtMs })),
          next,
        };
        return { status: 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "reserved-names.add",
      method: "PUT",
      path: item,
      can: administrator,
      summary: "Reserve a name that is free.",
      handle: async (call, request) => {
        await reserveName(deps, call, request.params["reserved"] ?? "");
        return { status: 204 };
      },
    }),
    endpoint({
      id: "reserved-names.remove",
      method: "DELETE",
      path: item,
      can: administrator,
      summary: "Give a name back, so that anybody can take it.",
      handle: async (call, request) => {
        await freeName(deps, call, request.params["reserved"] ?? "");
        return { status: 204 };
      },
    }),
  ];
}
