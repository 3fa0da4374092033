import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { parsePage } from "../../lib/page.ts";
import type { TestRequest } from "./mail-schema.ts";
import {
  listMailPage,
  type Mail,
  type MailManagementDeps,
  type MailState,
  retryMail,
  sendTestMail,
} from "./manage-mails.ts";

const schemas = () => import("./mail-schema.ts");

const limits = { defaultLimit: 100, maxLimit: 1_000 };
const administrator = { who: "administrator" } as const;
const states: readonly MailState[] = ["queued", "sent", "dead"];

/** Outgoing mail, for whoever runs the registry. */
export function mailEndpoints(deps: MailManagementDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "mails.list",
      method: "GET",
      path: "/api/v1/mails",
      can: administrator,
      summary:
        "Outgoing mails, newest first (`state`, `n`, `last`), and whether they can be sent. Never what they say.",
      reply: async () => (await schemas()).mailList,
      handle: async (_call, { query }) => {
        const { limit, last } = parsePage(query, limits);
        const state = parseState(query.get("state"));
        const page = { state, limit, last: last === undefined ? undefined : parseId(last) };
        const { mails, hasMore, counts } = await listMailPage(deps, page);
        const lastId = mails.at(-1)?.id;
        const filter = state === undefined ? "" : `&state=${state}`;
        const next =
          hasMore && lastId !== undefined ? `/api/v1/mails?n=${limit}&last=${lastId}${filter}` : null;
        const value = { delivery: describeDelivery(deps), counts, mails: mails.map(shape), next };
        return { status: 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "mails.retry",
      method: "POST",
      path: "/api/v1/mails/{id}/retries",
      can: administrator,
      summary: "Try a mail again at once that waits or was given up.",
      reply: async () => (await schemas()).mailReply,
      handle: async (call, request) => {
        const mail = await retryMail(deps, call, parseId(request.params["id"] ?? ""));
        return { status: 200, body: { kind: "json", value: shape(mail) } };
      },
    }),
    endpoint({
      id: "mails.test",
      method: "POST",
      path: "/api/v1/mails/tests",
      can: administrator,
      summary: "Write to an address at once, and tell what the mail server answered.",
      body: async () => (await schemas()).testRequest,
      reply: async () => (await schemas()).testReply,
      handle: async (call, request) => {
        const { to } = request.body as TestRequest; // as: checked against `body` before
        return { status: 200, body: { kind: "json", value: await sendTestMail(deps, call, to) } };
      },
    }),
  ];
}

function parseState(text: string | null): MailState | undefined {
  if (text === null) return undefined;
  const state = states.find((known) => known === text);
  if (state === undefined) throw new AppError("REQUEST_INVALID", `\`state\` is one of ${states.join(", ")}`);
  return state;
}

function parseId(text: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) throw new AppError("NOT_FOUND", "there is no such mail");
  return Number(text);
}

function describeDelivery({ smtp, publicUrl }: MailManagementDeps) {
  const isConfigured = smtp !== undefined && publicUrl !== undefined;
  return {
    isConfigured,
    server: smtp === undefined ? null : `${smtp.host}:${smtp.port}`,
    from: smtp?.from ?? null,
    note: isConfigured
      ? "queued mails are sent as soon as the mail server takes them"
      : "no mail server is configured: mails stay queued until smtp.host, smtp.from and publicUrl are set",
  };
}

function shape(mail: Mail) {
  return {
    id: mail.id,
    to: mail.recipient,
    kind: mail.kind,
    state: mail.state,
    attempts: mail.attempts,
    createdAtMs: mail.createdAtMs,
    nextAttemptAtMs: mail.state === "queued" ? mail.nextAttemptAtMs : null,
    sentAtMs: mail.sentAtMs ?? null,
    lastError: mail.lastError ?? null,
  };
}
