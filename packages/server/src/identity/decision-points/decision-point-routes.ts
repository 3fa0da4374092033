import { parseRepositoryName, type RepositoryName } from "@entrepot/oci/repository-name";
import type { Access } from "../../access/access.ts";
import type { RepositoryState } from "../../access/actions.ts";
import type { Actor } from "../../access/actor.ts";
import {
  actingAs,
  type Call,
  type Endpoint,
  endpoint,
  type Reply,
  type Request,
} from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { MaybePromise } from "../../lib/maybe-promise.ts";
import { secretContext } from "./ask-decision-point.ts";
import { authorityName } from "./decide-outside.ts";
import type {
  DecisionPointPatch,
  InvalidationBody,
  NewDecisionPointBody,
  StateNotice,
} from "./decision-point-schema.ts";
import {
  changeDecisionPoint,
  createDecisionPoint,
  type DecisionPoint,
  getDecisionPoint,
  invalidateDecisions,
  knownDecisionPoints,
  type ManagePointsDeps,
  removeDecisionPoint,
} from "./manage-decision-points.ts";
import { isSignedBy, signatureHeader } from "./sign-message.ts";

const schemas = () => import("./decision-point-schema.ts");
const collection = "/api/v1/decision-points";
const item = `${collection}/{point}`;
const administrator = { who: "administrator" } as const;

export interface DecisionPointRoutesDeps extends ManagePointsDeps {
  readonly access: Access;
  readonly authorityOf: (repository: string) => MaybePromise<string | undefined>;
  /** Sets the state of a repository that is there; the registry's own use case. */
  readonly setRepositoryState: (
    call: Call,
    repository: RepositoryName,
    state: RepositoryState,
  ) => Promise<void>;
}

/** Management of decision points, and the notices that they send. */
export function decisionPointEndpoints(deps: DecisionPointRoutesDeps): readonly Endpoint[] {
  return [...managementEndpoints(deps), ...noticeEndpoints(deps)];
}

function managementEndpoints(deps: DecisionPointRoutesDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "decision-points.list",
      method: "GET",
      path: collection,
      can: { who: "auditor" },
      summary: "Who outside decides about which repositories.",
      reply: async () => (await schemas()).decisionPointList,
      handle: async () => {
        const points = (await knownDecisionPoints(deps)).toSorted((left, right) =>
          left.name < right.name ? -1 : 1,
        );
        return json(200, { decisionPoints: points.map(shape) });
      },
    }),
    endpoint({
      id: "decision-points.create",
      method: "POST",
      path: collection,
      can: administrator,
      needsRecentSignIn: true,
      summary: "Let a callback decide about the repositories of a pattern. Its secret is shown this once.",
      body: async () => (await schemas()).newDecisionPoint,
      reply: async () => (await schemas()).createdDecisionPoint,
      handle: async (call, request) => {
        const body = request.body as NewDecisionPointBody; // as: checked against `body` before
        const { point, secret } = await createDecisionPoint(deps, call, body);
        return json(201, { decisionPoint: shape(point), secret });
      },
    }),
    endpoint({
      id: "decision-points.get",
      method: "GET",
      path: item,
      can: { who: "auditor" },
      summary: "One decision point.",
      reply: async () => (await schemas()).decisionPointReply,
      handle: async (_call, request) => json(200, shape(await getDecisionPoint(deps, nameIn(request)))),
    }),
    endpoint({
      id: "decision-points.update",
      method: "PATCH",
      path: item,
      can: administrator,
      needsRecentSignIn: true,
      summary: "Change a decision point; its answers from before are no longer used.",
      body: async () => (await schemas()).decisionPointPatch,
      reply: async () => (await schemas()).decisionPointReply,
      handle: async (call, request) => {
        const body = request.body as DecisionPointPatch; // as: checked against `body` before
        return json(200, shape(await changeDecisionPoint(deps, call, nameIn(request), body)));
      },
    }),
    endpoint({
      id: "decision-points.remove",
      method: "DELETE",
      path: item,
      can: administrator,
      needsRecentSignIn: true,
      summary: "Decide about the repositories here again.",
      handle: async (call, request) => {
        await removeDecisionPoint(deps, call, nameIn(request));
        return { status: 204 };
      },
    }),
  ];
}

/** Called by the decision point itself, with its signature, or by an administrator. */
function noticeEndpoints(deps: DecisionPointRoutesDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "decision-points.invalidate",
      method: "POST",
      path: `${item}/invalidate`,
      can: { who: "identified" },
      summary:
        "Take answers back, everywhere within seconds; signed by the decision point, or by an administrator.",
      body: async () => (await schemas()).invalidation,
      handle: async (call, request) => {
        const { point, call: known } = await sender(deps, call, request);
        const body = request.body as InvalidationBody; // as: checked against `body` before
        const subjects = subjectsOf(body);
        if (subjects.length === 0) throw new AppError("REQUEST_INVALID", "say what is to be taken back");
        await invalidateDecisions(deps, known, point, subjects);
        return { status: 204 };
      },
    }),
    endpoint({
      id: "decision-points.set-repository-state",
      method: "POST",
      path: `${item}/repository-state`,
      can: { who: "identified" },
      summary:
        "Hide, freeze or free a repository that the point decides about; signed by it, or by an administrator.",
      body: async () => (await schemas()).stateNotice,
      handle: async (call, request) => {
        const { point, call: known } = await sender(deps, call, request);
        const body = request.body as StateNotice; // as: checked against `body` before
        const repository = parseRepositoryName(body.repository);
        if ((await deps.authorityOf(repository)) !== authorityName(point)) {
          throw new AppError("DENIED", "the decision point does not decide about this repository");
        }
        await deps.setRepositoryState(known, repository, body.state);
        return { status: 204 };
      },
    }),
  ];
}

/** Who sends a notice. `UNAUTHORIZED` when it is neither; the same whether there is such a point or not. */
async function sender(
  deps: DecisionPointRoutesDeps,
  call: Call,
  request: Request,
): Promise<{ readonly point: DecisionPoint; readonly call: Call }> {
  const name = nameIn(request);
  if (deps.access.isAdministrator(call.actor)) return { point: await getDecisionPoint(deps, name), call };
  const point = (await knownDecisionPoints(deps)).find((one) => one.name === name);
  const header = request.headers[signatureHeader];
  const { pathname } = new URL(request.raw.url ?? "/", "http://unused");
  const isSigned =
    point !== undefined &&
    isSignedBy(
      deps.secretBox.open(point.sealedSecret, secretContext(name)),
      `notice ${pathname}`,
      request.bodyBytes,
      typeof header === "string" ? header : undefined,
      deps.clock.nowMs(),
    );
  if (!isSigned) throw new AppError("UNAUTHORIZED", "the notice is not signed by the decision point");
  const actor: Actor = {
    kind: "external",
    authority: authorityName(point),
    principal: "",
    username: `${name}:`,
    limits: undefined,
    credentialScopes: undefined,
  };
  return { point, call: actingAs(call, actor) };
}

function subjectsOf(body: InvalidationBody) {
  if (body.all === true) return [{ kind: "all", subject: "" }] as const;
  return [
    ...(body.principals ?? []).map((subject) => ({ kind: "principal", subject }) as const),
    ...(body.repositories ?? []).map((subject) => ({ kind: "repository", subject }) as const),
    ...(body.cacheKeys ?? []).map((subject) => ({ kind: "cache-key", subject }) as const),
  ];
}

function nameIn(request: Request): string {
  return request.params["point"] ?? "";
}

function shape(point: DecisionPoint) {
  const { name, pattern, url, timeoutMs, serveStaleSeconds, maxConcurrent, allowsAnonymous, answersLogin } =
    point;
  const { createdAtMs, createdBy } = point;
  return {
    name,
    pattern,
    url,
    timeoutMs,
    serveStaleSeconds,
    maxConcurrent,
    allowsAnonymous,
    answersLogin,
    createdAtMs,
    createdBy,
  };
}

function json(status: number, value: unknown): Reply {
  return { status, body: { kind: "json", value } };
}
