import { parseRepositoryName } from "@entrepot/oci/repository-name";
import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { parsePage } from "../../lib/page.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { explainAccess } from "./explain-access.ts";
import { type Grant, listAccess } from "./list-access.ts";

const schemas = () => import("./access-report-schema.ts");

const limits = { defaultLimit: 100, maxLimit: 1_000 };
const collection = "/api/v1/repositories/{name}/-/access";
const overseers = { who: "repository", action: "admin", orOverseer: true } as const;

/** Who can do what with a repository, and why; for its administrators, and auditors. */
export function accessReportEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "access.list",
      method: "GET",
      path: collection,
      can: overseers,
      summary:
        "Every grant that reaches a repository: on itself and by pattern, to users and teams (`n`, `last`).",
      reply: async () => (await schemas()).accessList,
      handle: async (_call, request) => {
        const repository = parseRepositoryName(request.params["name"] ?? "");
        const { limit, last } = parsePage(request.query, limits);
        const afterId = parseCursor(last);
        const { grants, hasMore } = await listAccess(deps, { repository, afterId, limit });
        const next = hasMore
          ? `${collection.replace("{name}", repository)}?n=${limit}&last=${grants.at(-1)?.id}`
          : null;
        return { status: 200, body: { kind: "json", value: { grants: grants.map(shape), next } } };
      },
    }),
    endpoint({
      id: "access.explain",
      method: "GET",
      path: `${collection}/{username}`,
      can: overseers,
      summary:
        "Why a user may do what to a repository, and why not; `anonymous` is nobody in particular. `action` asks for one action only.",
      reply: async () => (await schemas()).accessExplanation,
      handle: async (_call, request) => {
        const repository = parseRepositoryName(request.params["name"] ?? "");
        const username = request.params["username"] ?? "";
        const only = request.query.get("action");
        const { exists, actions } = await explainAccess(deps, { repository, username });
        const asked = actions.filter(({ action }) => only === null || action === only);
        if (asked.length === 0) {
          throw new AppError("REQUEST_INVALID", "`action` is one of pull, push, delete and admin");
        }
        const explained = asked.map((each) => ({
          ...each,
          because: each.because.map((reason) => ({
            ...reason,
            grant: reason.grant === undefined ? null : shape(reason.grant),
          })),
        }));
        return {
          status: 200,
          body: { kind: "json", value: { username, repository, exists, actions: explained } },
        };
      },
    }),
  ];
}

function shape(grant: Grant) {
  const { id, username = null, team = null, place, role, expiresAtMs = null, isElevation } = grant;
  return { id, username, team, place, role, expiresAtMs, isElevation };
}

function parseCursor(last: string | undefined): number {
  if (last === undefined) return 0;
  if (!/^[0-9]{1,15}$/.test(last)) {
    throw new AppError("REQUEST_INVALID", "`last` must be taken from the `next` of the page before");
  }
  return Number(last);
}
