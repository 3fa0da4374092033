import { type Call, type Endpoint, endpoint, type Reply, type Request } from "../../http/endpoint.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { bindTeam, listTeamBindings, unbindTeam } from "./bind-teams.ts";
import {
  getProvider,
  listAllProviders,
  putProvider,
  removeProvider,
  type SignInProvider,
  secretNames,
} from "./manage-providers.ts";
import type { Providers } from "./open-providers.ts";
import type { BindingBody, ProviderBody, ProviderTestBody } from "./provider-schema.ts";
import type { SyncWorker } from "./sync-worker.ts";
import { testProvider } from "./test-provider.ts";

const schemas = () => import("./provider-schema.ts");

const collection = "/api/v1/sign-in-providers";
const one = `${collection}/{provider}`;
const administrator = { who: "administrator" } as const;
const auditor = { who: "auditor" } as const;

/** Setting up ways to sign in; for administrators. */
export function providerEndpoints(
  deps: IdentityDeps,
  tools: { readonly providers: Providers; readonly worker: SyncWorker },
): readonly Endpoint[] {
  const shape = (provider: SignInProvider) => ({
    name: provider.name,
    kind: provider.kind,
    displayName: provider.displayName,
    position: provider.position,
    isEnabled: provider.isEnabled,
    policy: provider.policy,
    settings: provider.settings,
    secrets: secretNames(deps, provider),
    createdAtMs: provider.createdAtMs,
    updatedAtMs: provider.updatedAtMs,
    syncedAtMs: provider.syncedAtMs ?? null,
    syncReport: provider.syncReport ?? null,
  });

  async function changeBinding(call: Call, request: Request, how: typeof bindTeam): Promise<Reply> {
    const { team, group } = request.body as BindingBody; // as: checked against `body` before
    await how(deps, call, { provider: nameIn(request), team, group });
    return { status: 204 };
  }

  return [
    endpoint({
      id: "sign-in-providers.list",
      method: "GET",
      path: collection,
      can: auditor,
      summary: "Sign-in providers in the order in which they are asked, without their secrets.",
      reply: async () => (await schemas()).providerList,
      handle: async () => {
        const providers = (await listAllProviders(deps)).map(shape);
        return { status: 200, body: { kind: "json", value: { providers } } };
      },
    }),
    endpoint({
      id: "sign-in-providers.get",
      method: "GET",
      path: one,
      can: auditor,
      summary: "One sign-in provider, without its secrets.",
      reply: async () => (await schemas()).providerReply,
      handle: async (_call, request) => ok(shape(await getProvider(deps, nameIn(request)))),
    }),
    endpoint({
      id: "sign-in-providers.put",
      method: "PUT",
      path: one,
      can: administrator,
      needsRecentSignIn: true,
      summary: "Create a sign-in provider, or make it as the body says; secrets that are left out stay.",
      body: async () => (await schemas()).providerBody,
      reply: async () => (await schemas()).providerReply,
      handle: async (call, request) => {
        const body = request.body as ProviderBody; // as: checked against `body` before
        const { provider, isNew } = await putProvider(deps, call, nameIn(request), body);
        return { status: isNew ? 201 : 200, body: { kind: "json", value: shape(provider) } };
      },
    }),
    endpoint({
      id: "sign-in-providers.delete",
      method: "DELETE",
      path: one,
      can: administrator,
      needsRecentSignIn: true,
      summary: "Delete a sign-in provider with its links to users; the users stay.",
      handle: async (call, request) => {
        await removeProvider(deps, call, nameIn(request));
        return { status: 204 };
      },
    }),
    endpoint({
      id: "sign-in-providers.test",
      method: "POST",
      path: `${one}/test`,
      can: administrator,
      summary: "Try a provider, with a name and password if wanted. Signs nobody in.",
      body: async () => (await schemas()).providerTestBody,
      reply: async () => (await schemas()).providerTestReply,
      handle: async (call, request) => {
        const login = request.body as ProviderTestBody; // as: checked against `body` before
        const { person, ...test } = await testProvider(deps, tools.providers, call, nameIn(request), login);
        const told = person && {
          subject: person.subject,
          username: person.username,
          email: person.email ?? null,
          groups: person.groups ?? [],
        };
        return ok({ ...test, person: told ?? null });
      },
    }),
    endpoint({
      id: "sign-in-providers.sync",
      method: "POST",
      path: `${one}/sync`,
      can: administrator,
      summary: "Look over a directory now: who is gone, who is in which group.",
      reply: async () => (await schemas()).syncReply,
      handle: async (_call, request) =>
        ok(await tools.worker.runNow(await getProvider(deps, nameIn(request)))),
    }),
    endpoint({
      id: "sign-in-providers.team-bindings.list",
      method: "GET",
      path: `${one}/team-bindings`,
      can: auditor,
      summary: "Which groups of the provider fill which teams.",
      reply: async () => (await schemas()).bindingList,
      handle: async (_call, request) => {
        const bindings = (await listTeamBindings(deps, nameIn(request))).map(
          ({ namespace, team, group }) => ({
            team: `${namespace}/${team}`,
            group,
          }),
        );
        return ok({ bindings });
      },
    }),
    endpoint({
      id: "sign-in-providers.team-bindings.put",
      method: "PUT",
      path: `${one}/team-bindings`,
      can: administrator,
      needsRecentSignIn: true,
      summary: "Fill a team with the members of a group of the provider.",
      body: async () => (await schemas()).bindingBody,
      handle: (call, request) => changeBinding(call, request, bindTeam),
    }),
    endpoint({
      id: "sign-in-providers.team-bindings.remove",
      method: "DELETE",
      path: `${one}/team-bindings`,
      can: administrator,
      summary: "Fill a team from the group no more; who came by it leaves.",
      body: async () => (await schemas()).bindingBody,
      handle: (call, request) => changeBinding(call, request, unbindTeam),
    }),
  ];
}

function nameIn(request: Request): string {
  return request.params["provider"] ?? "";
}

function ok(value: unknown): Reply {
  return { status: 200, body: { kind: "json", value } };
}
