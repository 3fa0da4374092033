import { parseRepositoryName } from "@entrepot/oci/repository-name";
import { type Endpoint, endpoint, type Request } from "../../http/endpoint.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { GrantBody } from "./grant-schema.ts";
import type { NamedSubject } from "./grant-subject.ts";
import { type Grant, listRepositoryGrants, removeGrant, setGrant } from "./manage-grants.ts";

const schemas = () => import("./grant-schema.ts");

// A hyphen is no component of a repository name, so what follows it can never be part of one.
const collection = "/api/v1/repositories/{name}/-/grants";
const admin = { who: "repository", action: "admin" } as const;

/** Who may do what with a repository; for its administrators. */
export function grantEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "grants.list",
      method: "GET",
      path: collection,
      can: { ...admin, orOverseer: true },
      summary: "Grants on a repository itself: to users, to robots, to teams.",
      reply: async () => (await schemas()).grantsOnRepository,
      handle: async (_call, request) => {
        const grants = await listRepositoryGrants(deps, repositoryIn(request));
        return { status: 200, body: { kind: "json", value: byKind(grants) } };
      },
    }),
    ...endpointsFor(deps, "user", "{username}", (request) => ({
      username: request.params["username"] ?? "",
    })),
    ...endpointsFor(deps, "team", "{team}", (request) => ({ team: request.params["team"] ?? "" })),
  ];
}

function endpointsFor(
  deps: IdentityDeps,
  what: "user" | "team",
  parameter: string,
  subjectIn: (request: Request) => NamedSubject,
): readonly Endpoint[] {
  const path = `${collection}/${what}s/${parameter}`;
  return [
    endpoint({
      id: `grants.set-for-${what}`,
      method: "PUT",
      path,
      can: admin,
      summary: `Grant a ${what === "user" ? "user or robot" : "team of the organization"} a role on a repository, for good or until a time.`,
      body: async () => (await schemas()).grantBody,
      reply: async () => {
        const { grantToUser, grantToTeam } = await schemas();
        return what === "user" ? grantToUser : grantToTeam;
      },
      handle: async (call, request) => {
        const { role, expiresAtMs } = request.body as GrantBody; // as: checked against `body` before
        const subject = subjectIn(request);
        const place = { repository: repositoryIn(request) };
        await setGrant(deps, call, { place, subject, role, expiresAtMs: expiresAtMs ?? undefined });
        const value = { ...subject, role, expiresAtMs: expiresAtMs ?? null };
        return { status: 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: `grants.remove-for-${what}`,
      method: "DELETE",
      path,
      can: admin,
      summary: `Take the grant of a ${what === "user" ? "user or robot" : "team"} on a repository back.`,
      handle: async (call, request) => {
        const place = { repository: repositoryIn(request) };
        await removeGrant(deps, call, { place, subject: subjectIn(request) });
        return { status: 204 };
      },
    }),
  ];
}

function repositoryIn(request: Request) {
  return parseRepositoryName(request.params["name"] ?? "");
}

function byKind(grants: readonly Grant[]) {
  const shaped = grants.map((grant) => ({
    username: grant.username,
    team: grant.team,
    account: grant.account,
    how: {
      role: grant.role,
      expiresAtMs: grant.expiresAtMs ?? null,
      createdAtMs: grant.createdAtMs,
      createdBy: grant.createdBy ?? null,
    },
  }));
  const to = (isMeant: (account: Grant["account"]) => boolean) =>
    shaped.flatMap(({ username, account, how }) =>
      username !== undefined && isMeant(account) ? [{ username, ...how }] : [],
    );
  return {
    users: to((account) => account !== "robot"),
    robots: to((account) => account === "robot"),
    teams: shaped.flatMap(({ team, how }) => (team === undefined ? [] : [{ team, ...how }])),
  };
}
