import { type Endpoint, endpoint, type Reply } from "../../http/endpoint.ts";
import { pageParameters, type QueryParameter } from "../../http/query-parameter.ts";
import { AppError } from "../../lib/app-error.ts";
import { nextPage, parsePage } from "../../lib/page.ts";
import type { KindChange } from "./job-schema.ts";
import {
  cancel,
  type DescribedKind,
  describeKinds,
  getJob,
  type Job,
  type JobManagementDeps,
  listJobPage,
  pauseKind,
  retry,
  runKind,
} from "./manage-jobs.ts";

const schemas = () => import("./job-schema.ts");
const limits = { defaultLimit: 100, maxLimit: 1_000 };
const auditor = { who: "auditor" } as const;
const administrator = { who: "administrator" } as const;
const states: readonly Job["state"][] = ["waiting", "queued", "running", "done", "failed", "cancelled"];
const filters: readonly QueryParameter[] = [
  { name: "kind", form: "text", maxLength: 100, description: "only those of this kind" },
  { name: "state", form: "text", values: states, description: "only those in this state" },
  { name: "namespace", form: "text", maxLength: 255, description: "only those of this namespace" },
];

/** What the registry does in the background, for whoever runs it. */
export function jobEndpoints(deps: JobManagementDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "jobs.list",
      method: "GET",
      path: "/api/v1/jobs",
      can: auditor,
      summary: "Jobs, newest first.",
      query: [...filters, ...pageParameters],
      reply: async () => (await schemas()).jobList,
      handle: async (_call, { query }) => {
        const page = parsePage(query, limits);
        const filter = {
          kind: query.get("kind") ?? undefined,
          state: states.find((state) => state === query.get("state")),
          namespace: query.get("namespace") ?? undefined,
        };
        const last = page.last === undefined ? undefined : parseId(page.last);
        const { jobs, hasMore } = await listJobPage(deps, { ...filter, limit: page.limit, last });
        const asked = new URLSearchParams();
        for (const [name, value] of Object.entries(filter)) if (value !== undefined) asked.set(name, value);
        const path = asked.size === 0 ? "/api/v1/jobs" : `/api/v1/jobs?${asked.toString()}`;
        const lastKey = jobs.at(-1)?.id.toString();
        return json({ jobs: jobs.map(shape), next: nextPage(path, page, { hasMore, lastKey }) });
      },
    }),
    endpoint({
      id: "jobs.get",
      method: "GET",
      path: "/api/v1/jobs/{id}",
      can: auditor,
      summary: "One job: how far it is, what it found, why it failed.",
      reply: async () => (await schemas()).jobReply,
      handle: async (_call, { params }) => json(shape(await getJob(deps, parseId(params["id"] ?? "")))),
    }),
    endpoint({
      id: "jobs.cancel",
      method: "POST",
      path: "/api/v1/jobs/{id}/cancellation",
      can: administrator,
      summary: "End a job that waits, or tell one that runs to stop.",
      reply: async () => (await schemas()).jobReply,
      handle: async (call, { params }) => json(shape(await cancel(deps, call, parseId(params["id"] ?? "")))),
    }),
    endpoint({
      id: "jobs.retry",
      method: "POST",
      path: "/api/v1/jobs/{id}/retries",
      can: administrator,
      summary: "Try a job again that failed for good, was cancelled, or waits for its next try.",
      reply: async () => (await schemas()).jobReply,
      handle: async (call, { params }) => json(shape(await retry(deps, call, parseId(params["id"] ?? "")))),
    }),
    endpoint({
      id: "job-kinds.list",
      method: "GET",
      path: "/api/v1/job-kinds",
      can: auditor,
      summary: "Kinds of jobs, with how many wait, run and failed, and when each is due next.",
      reply: async () => (await schemas()).kindList,
      handle: async () => json({ kinds: (await describeKinds(deps)).map(shapeKind) }),
    }),
    endpoint({
      id: "job-kinds.change",
      method: "PATCH",
      path: "/api/v1/job-kinds/{kind}",
      can: administrator,
      summary: "Let a kind of job rest, or go on. Those that run end as ever.",
      body: async () => (await schemas()).kindChange,
      reply: async () => (await schemas()).kindReply,
      handle: async (call, request) => {
        const { isPaused } = request.body as KindChange; // as: checked against `body` before
        return json(shapeKind(await pauseKind(deps, call, request.params["kind"] ?? "", isPaused)));
      },
    }),
    endpoint({
      id: "job-kinds.run",
      method: "POST",
      path: "/api/v1/job-kinds/{kind}/runs",
      can: administrator,
      summary: "Queue now what otherwise runs by schedule; tells the job.",
      reply: async () => (await schemas()).jobReply,
      handle: async (call, { params }) => json(shape(await runKind(deps, call, params["kind"] ?? "")), 202),
    }),
  ];
}

function json(value: unknown, status = 200): Reply {
  return { status, body: { kind: "json", value } };
}

function parseId(text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw new AppError("NOT_FOUND", "there is no such job");
  return Number(text);
}

function shape(job: Job) {
  const { done, total, note } = job.progress;
  return {
    id: job.id,
    kind: job.kind,
    state: job.state,
    namespace: job.namespace === "" ? null : job.namespace,
    priority: job.priority,
    payload: JSON.parse(job.payload) as unknown,
    uniqueKey: job.uniqueKey ?? null,
    attempts: job.attempts,
    maxAttempts: job.maxAttempts,
    isCancelWanted: job.isCancelWanted,
    progress: { done, total: total ?? null, note: note ?? null },
    result: job.result === undefined ? null : (JSON.parse(job.result) as unknown),
    error: job.error ?? null,
    instance: job.leaseHolder ?? null,
    slotMs: job.slotMs ?? null,
    createdBy: job.createdBy,
    createdAtMs: job.createdAtMs,
    runAtMs: job.runAtMs,
    startedAtMs: job.startedAtMs ?? null,
    finishedAtMs: job.finishedAtMs ?? null,
  };
}

function shapeKind({ name, kind, row, jobs }: DescribedKind) {
  return {
    name,
    summary: kind?.summary ?? null,
    isPaused: row.isPaused,
    concurrency: kind?.concurrency ?? null,
    schedule: row.schedule ?? null,
    nextSlotMs: row.nextSlotMs ?? null,
    counts: jobs.counts,
    oldestDueMs: jobs.oldestDueMs ?? null,
  };
}
