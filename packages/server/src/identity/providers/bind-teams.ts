import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { getProvider, noSuchProvider } from "./manage-providers.ts";
import { groupKey } from "./provider.ts";
import { lockProvider } from "./provider-store.ts";
import {
  deleteBinding,
  findTeamId,
  insertBinding,
  listBindings,
  settleMemberships,
  type TeamBinding,
} from "./team-binding-store.ts";

interface BindingRequest {
  readonly provider: string;
  /** "acme/release". */
  readonly team: string;
  readonly group: string;
}

/** `NOT_FOUND` when there is no such provider. */
export async function listTeamBindings(
  deps: IdentityDeps,
  provider: string,
): Promise<readonly TeamBinding[]> {
  return listBindings(deps.database.read, (await getProvider(deps, provider)).id);
}

/**
 * From then on the members of the group are members of the team: those whose groups are known at once, the others with the next pass over the
 * directory or their next sign-in. Members by hand stay. `NOT_FOUND` for a provider or team that is none. May be repeated.
 */
export async function bindTeam(deps: IdentityDeps, call: Call, request: BindingRequest): Promise<void> {
  await change(deps, call, request, "team.bind");
}

/** Members who came by this group alone leave. `NOT_FOUND` when the team is not bound to it. */
export async function unbindTeam(deps: IdentityDeps, call: Call, request: BindingRequest): Promise<void> {
  await change(deps, call, request, "team.unbind");
}

async function change(
  deps: IdentityDeps,
  call: Call,
  request: BindingRequest,
  action: "team.bind" | "team.unbind",
): Promise<void> {
  const nowMs = deps.clock.nowMs();
  const [namespace = "", team = "", ...rest] = request.team.split("/");
  if (rest.length > 0 || team === "")
    throw new AppError("REQUEST_INVALID", "a team is written organization/team");
  await deps.database.transaction(async (tx) => {
    const provider = await lockProvider(tx, request.provider);
    if (provider === undefined) throw noSuchProvider(request.provider);
    const teamId = await findTeamId(tx, { namespace, team });
    if (teamId === undefined) throw new AppError("NOT_FOUND", `there is no team ${request.team}`);
    const binding = { teamId, providerId: provider.id, group: groupKey(provider.kind, request.group) };
    if (action === "team.bind") {
      if (!(await insertBinding(tx, binding, nowMs))) return;
    } else if (!(await deleteBinding(tx, binding))) {
      throw new AppError("NOT_FOUND", `${request.team} is not bound to this group`);
    }
    const { added, removed } = await settleMemberships(tx, { teamId }, nowMs);
    await bumpAccessVersion(tx);
    await recordAudit(tx, call, nowMs, {
      action,
      target: `team ${request.team}`,
      namespace,
      after: { provider: provider.name, group: binding.group },
      detail: { added, removed },
    });
  });
  deps.access.changed();
}
