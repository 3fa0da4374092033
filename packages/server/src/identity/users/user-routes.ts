import { accountKinds } from "../../access/actor.ts";
import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import { pageParameters, type QueryParameter } from "../../http/query-parameter.ts";
import { AppError } from "../../lib/app-error.ts";
import { nextPage, parsePage } from "../../lib/page.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { NewUser, UserPatch } from "../user-schema.ts";
import { changeUser, deleteUser } from "./change-user.ts";
import { createUser } from "./create-user.ts";
import { getUser, listUserPage, type User } from "./find-users.ts";

const schemas = () => import("../user-schema.ts");

const limits = { defaultLimit: 100, maxLimit: 1_000 };
const administrator = { who: "administrator" } as const;
const auditor = { who: "auditor" } as const;
const userParameters: readonly QueryParameter[] = [
  ...pageParameters,
  { name: "kind", form: "text", values: accountKinds, description: "accounts of one kind only" },
  { name: "q", form: "text", maxLength: 400, description: "what the name begins with" },
];

/** Management of users, for administrators; and who one is. */
export function userEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "me.get",
      isOpenBeforeMfa: true,
      method: "GET",
      path: "/api/v1/me",
      can: { who: "signed-in" },
      summary: "Who the caller is.",
      reply: async () => (await schemas()).meReply,
      handle: async ({ actor }) => {
        if (actor.kind !== "user") throw new AppError("UNAUTHORIZED", "sign in first");
        const value = { username: actor.username, isAdmin: actor.isAdmin, credential: actor.credential };
        return { status: 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "users.list",
      method: "GET",
      path: "/api/v1/users",
      can: auditor,
      summary: "Accounts by name (`n`, `last`): all but those that issuers made, or those of one kind.",
      query: userParameters,
      reply: async () => (await schemas()).userList,
      handle: async (_call, request) => {
        const page = parsePage(request.query, limits);
        const kind = request.query.get("kind") ?? undefined;
        const prefix = request.query.get("q") ?? "";
        const { users, hasMore } = await listUserPage(deps, page, { kind, prefix });
        const filter = new URLSearchParams({ ...(kind === undefined ? {} : { kind }), q: prefix });
        const path =
          kind === undefined && prefix === "" ? "/api/v1/users" : `/api/v1/users?${filter.toString()}`;
        const next = nextPage(path, page, { hasMore, lastKey: users.at(-1)?.username });
        return { status: 200, body: { kind: "json", value: { users: users.map(shape), next } } };
      },
    }),
    endpoint({
      id: "users.create",
      needsRecentSignIn: true,
      method: "POST",
      path: "/api/v1/users",
      can: administrator,
      summary: "Create a user, with a namespace of the same name.",
      body: async () => (await schemas()).newUser,
      reply: async () => (await schemas()).userReply,
      handle: async (call, request) => {
        const { isAdmin = false, ...user } = request.body as NewUser; // as: checked against `body` before
        return {
          status: 201,
          body: { kind: "json", value: shape(await createUser(deps, { ...user, isAdmin }, call)) },
        };
      },
    }),
    endpoint({
      id: "users.get",
      method: "GET",
      path: "/api/v1/users/{username}",
      can: auditor,
      summary: "One account.",
      reply: async () => (await schemas()).userReply,
      handle: async (_call, request) => {
        const user = await getUser(deps, request.params["username"] ?? "");
        return { status: 200, body: { kind: "json", value: shape(user) } };
      },
    }),
    endpoint({
      id: "users.update",
      needsRecentSignIn: true,
      method: "PATCH",
      path: "/api/v1/users/{username}",
      can: administrator,
      summary: "Change a user's password or standing; disabling revokes everything they hold.",
      body: async () => (await schemas()).userPatch,
      reply: async () => (await schemas()).userReply,
      handle: async (call, request) => {
        const change = request.body as UserPatch; // as: checked against `body` before
        const user = await changeUser(deps, request.params["username"] ?? "", change, call);
        return { status: 200, body: { kind: "json", value: shape(user) } };
      },
    }),
    endpoint({
      id: "users.delete",
      needsRecentSignIn: true,
      method: "DELETE",
      path: "/api/v1/users/{username}",
      can: administrator,
      summary: "Delete a user who has no repositories, with everything they hold.",
      handle: async (call, request) => {
        await deleteUser(deps, request.params["username"] ?? "", call);
        return { status: 204 };
      },
    }),
  ];
}

function shape(user: User) {
  return {
    username: user.username,
    kind: user.kind,
    isAdmin: user.isAdmin,
    isAuditor: user.isAuditor,
    isDisabled: user.isDisabled,
    createdAtMs: user.createdAtMs,
  };
}
