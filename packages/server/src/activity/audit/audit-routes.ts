import { parseRepositoryName } from "@entrepot/oci/repository-name";
import { type Endpoint, endpoint, type Reply, type Request } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { parsePage } from "../../lib/page.ts";
import { parseEntryCursor, parseEntryFilter } from "./audit-query.ts";
import { exportEntries, exportFormats } from "./export-entries.ts";
import { type AuditReadDeps, findEntries, sincePlace } from "./find-entries.ts";
import { type Anchor, verifyChain } from "./verify-chain.ts";

const schemas = () => import("./audit-schema.ts");

const limits = { defaultLimit: 100, maxLimit: 1_000 };
const verifyLimits = { defaultLimit: 100_000, maxLimit: 100_000 };
const auditor = { who: "auditor" } as const;

/** The audit log, to be read: all of it by auditors, what happened in a place by those who administer it. Nothing here changes it. */
export function auditEndpoints(deps: AuditReadDeps): readonly Endpoint[] {
  const reply = async () => (await schemas()).entryList;

  async function page(
    request: Request,
    place: { readonly namespace: string } | { readonly repository: string } | undefined,
    path: string,
  ): Promise<Reply> {
    const asked = parseEntryFilter(request.query, ["n", "last"]);
    const filter = place === undefined ? asked : await sincePlace(deps, asked, place);
    const { last, limit } = parsePage(request.query, limits);
    const found = await findEntries(deps, filter, { after: parseEntryCursor(last), limit });
    const next = found.next === undefined ? null : nextPath(path, request.query, found.next);
    return { status: 200, body: { kind: "json", value: { entries: found.entries, next } } };
  }

  return [
    endpoint({
      id: "audit.list",
      method: "GET",
      path: "/api/v1/audit",
      can: auditor,
      summary:
        "Audit entries, newest first (`n`, `last`; `from`, `until`, `actor`, `action`, `target`, `outcome`, `address`, `namespace`, `repository`, `requestId`, `elevation`).",
      reply,
      handle: async (_call, request) => page(request, undefined, "/api/v1/audit"),
    }),
    endpoint({
      id: "audit.list-of-namespace",
      method: "GET",
      path: "/api/v1/organizations/{namespace}/audit",
      can: { who: "namespace", action: "admin" },
      summary: "Audit entries of a namespace since it is there, newest first; filters as for all.",
      reply,
      handle: async (_call, request) => {
        const namespace = request.params["namespace"] ?? "";
        return page(request, { namespace }, `/api/v1/organizations/${encodeURIComponent(namespace)}/audit`);
      },
    }),
    endpoint({
      id: "audit.list-of-repository",
      method: "GET",
      path: "/api/v1/repositories/{name}/-/audit",
      can: { who: "repository", action: "admin" },
      summary: "Audit entries of a repository since it is there, newest first; filters as for all.",
      reply,
      handle: async (_call, request) => {
        const repository = parseRepositoryName(request.params["name"] ?? "");
        return page(request, { repository }, `/api/v1/repositories/${repository}/-/audit`);
      },
    }),
    endpoint({
      id: "audit.export",
      method: "GET",
      path: "/api/v1/audit/export",
      can: auditor,
      summary:
        "All audit entries that the filters let through, oldest first, a line each (`format`: ndjson or cef).",
      handle: async (_call, request) => {
        const asked = request.query.get("format") ?? "ndjson";
        const format = exportFormats.find((known) => known === asked);
        if (format === undefined) throw new AppError("REQUEST_INVALID", "format must be ndjson or cef");
        const filter = parseEntryFilter(request.query, ["format"]);
        return {
          status: 200,
          headers: {
            "content-type": format === "cef" ? "text/plain; charset=utf-8" : "application/x-ndjson",
          },
          body: { kind: "stream", chunks: exportEntries(deps.database, filter, format, deps.version) },
        };
      },
    }),
    endpoint({
      id: "audit.verify",
      method: "GET",
      path: "/api/v1/audit/verification",
      can: auditor,
      summary:
        "Compute the chain of audit entries anew and name the first that was changed, removed or put in (`after`, `n`; `anchor=SEQUENCE:HASH`, kept elsewhere).",
      reply: async () => (await schemas()).verificationReply,
      handle: async (_call, request) => {
        const { limit } = parsePage(request.query, verifyLimits);
        const after = parseAfter(request.query.get("after"));
        const anchors = request.query.getAll("anchor").map(parseAnchor);
        const { problem, next, checkpoint, head, ...rest } = await verifyChain(deps, {
          after,
          limit,
          anchors,
        });
        const value = {
          isIntact: problem === undefined,
          ...rest,
          problem: problem ?? null,
          next: next ?? null,
          checkpoint: checkpoint ?? null,
          head: head ?? null,
          publicKey: await deps.signer.publicKey(),
        };
        return { status: 200, body: { kind: "json", value } };
      },
    }),
  ];
}

function nextPath(path: string, query: URLSearchParams, last: string): string {
  const next = new URLSearchParams(query);
  next.set("last", last);
  return `${path}?${next.toString()}`;
}

function parseAfter(text: string | null): number | undefined {
  if (text === null || text === "") return undefined;
  if (!/^[0-9]{1,15}$/.test(text))
    throw new AppError("REQUEST_INVALID", "`after` must be a place in the chain");
  return Number(text);
}

function parseAnchor(text: string): Anchor {
  const [, sequence, hash] = /^([0-9]{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (sequence === undefined || hash === undefined) {
    throw new AppError("REQUEST_INVALID", "an anchor is SEQUENCE:HASH, as the log has it");
  }
  return { sequence: Number(sequence), hash };
}
