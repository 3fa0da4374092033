import { type Endpoint, endpoint, type Request } from "../../http/endpoint.ts";
import { pageParameters } from "../../http/query-parameter.ts";
import { AppError } from "../../lib/app-error.ts";
import { nextPage, parsePage } from "../../lib/page.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import {
  acceptInvitation,
  declineInvitation,
  listOwnInvitations,
  signUpByInvitation,
} from "./answer-invitation.ts";
import { invitationPage } from "./invitation-page.ts";
import type { AcceptanceBody, InvitationBody } from "./invitation-schema.ts";
import { invite } from "./invite.ts";
import { listInvitationPage, revokeInvitation } from "./manage-invitations.ts";
import { shapeInvitation } from "./shape-invitation.ts";

const schemas = () => import("./invitation-schema.ts");

const limits = { defaultLimit: 100, maxLimit: 1_000 };
const collection = "/api/v1/organizations/{namespace}/invitations";
const admin = { who: "namespace", action: "admin" } as const;
const person = { who: "person" } as const;

/** Invitations into teams: made by those who administer the organization, answered by the invited. */
export function invitationEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "invitations.create",
      method: "POST",
      path: "/api/v1/organizations/{namespace}/teams/{team}/invitations",
      can: admin,
      summary: "Invite somebody into a team, by user name or e-mail address.",
      body: async () => (await schemas()).newInvitation,
      reply: async () => (await schemas()).invitationReply,
      handle: async (call, request) => {
        const invited = request.body as InvitationBody; // as: checked against `body` before
        const team = request.params["team"] ?? "";
        const made = await invite(deps, call, { namespace: namespaceIn(request), team, invited });
        return { status: 201, body: { kind: "json", value: shapeInvitation(made) } };
      },
    }),
    endpoint({
      id: "invitations.list",
      method: "GET",
      path: collection,
      can: admin,
      summary: "Invitations of an organization that nobody has answered (`n`, `last`).",
      query: pageParameters,
      reply: async () => (await schemas()).invitationList,
      handle: async (_call, request) => {
        const namespace = namespaceIn(request);
        const page = parsePage(request.query, limits);
        const { invitations, hasMore } = await listInvitationPage(deps, namespace, page);
        const path = `/api/v1/organizations/${namespace}/invitations`;
        const next = nextPage(path, page, { hasMore, lastKey: invitations.at(-1)?.id.toString() });
        const value = { invitations: invitations.map(shapeInvitation), next };
        return { status: 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "invitations.revoke",
      method: "DELETE",
      path: `${collection}/{id}`,
      can: admin,
      summary: "Take an invitation back.",
      handle: async (call, request) => {
        await revokeInvitation(deps, call, { namespace: namespaceIn(request), id: idIn(request) });
        return { status: 204 };
      },
    }),
    ...answerEndpoints(deps),
  ];
}

function answerEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  const page = invitationPage();
  return [
    endpoint({
      id: "invitations.list-own",
      method: "GET",
      path: "/api/v1/me/invitations",
      can: person,
      summary: "Invitations that the caller can accept.",
      reply: async () => (await schemas()).ownInvitationList,
      handle: async (call) => {
        const invitations = (await listOwnInvitations(deps, call)).map(shapeInvitation);
        return { status: 200, body: { kind: "json", value: { invitations } } };
      },
    }),
    endpoint({
      id: "invitations.decline",
      method: "DELETE",
      path: "/api/v1/me/invitations/{id}",
      can: person,
      summary: "Decline an invitation.",
      handle: async (call, request) => {
        await declineInvitation(deps, call, idIn(request));
        return { status: 204 };
      },
    }),
    endpoint({
      id: "invitations.accept",
      method: "POST",
      path: "/api/v1/invitations/accept",
      can: { who: "identified" },
      summary:
        "Accept an invitation, by its link or its number; with a user name and a password, by its link, also make the account.",
      body: async () => (await schemas()).acceptance,
      reply: async () => (await schemas()).acceptedReply,
      handle: async (call, request) => {
        const body = request.body as AcceptanceBody; // as: checked against `body` before
        const value =
          "username" in body
            ? await signUpByInvitation(deps, call, body)
            : await acceptInvitation(deps, call, body);
        return { status: 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "account-pages.accept-invitation",
      method: "GET",
      path: "/account/accept-invitation",
      can: { who: "public" },
      summary: "The page that the link of an invitation leads to.",
      handle: async () => ({
        status: 200,
        headers: {
          "content-type": "text/html; charset=utf-8",
          "content-security-policy": page.policy,
          "referrer-policy": "no-referrer",
          "cache-control": "no-store",
        },
        body: { kind: "text", text: page.html },
      }),
    }),
  ];
}

function namespaceIn(request: Request): string {
  return request.params["namespace"] ?? "";
}

function idIn(request: Request): number {
  const text = request.params["id"] ?? "";
  if (!/^[0-9]{1,15}$/.test(text)) throw new AppError("NOT_FOUND", "there is no such invitation");
  return Number(text);
}
