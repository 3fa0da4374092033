import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { openSecrets, type ProviderSecrets, sealSecrets } from "./build-provider.ts";
import { checkSettings } from "./check-settings.ts";
import type { ProviderBody } from "./provider-schema.ts";
import {
  deleteProvider,
  insertProvider,
  listProviders,
  lockProvider,
  type ProviderValues,
  type SignInProvider,
  updateProvider,
} from "./provider-store.ts";
import { listBoundTeams, settleMemberships } from "./team-binding-store.ts";

export type { SignInProvider };

const nameGrammar = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/;

export async function listAllProviders(deps: IdentityDeps): Promise<readonly SignInProvider[]> {
  return listProviders(deps.database.read);
}

/** `NOT_FOUND`. */
export async function getProvider(deps: IdentityDeps, name: string): Promise<SignInProvider> {
  const found = (await listProviders(deps.database.read)).find((one) => one.name === name);
  if (found === undefined) throw noSuchProvider(name);
  return found;
}

/**
 * Makes the provider of this name as the body says: new, or instead of what it was; a secret that is left out stays as it is, unless the provider is
 * somebody else's from then on. `REQUEST_INVALID` for settings that are none, and when the kind would change: identities would lead to whoever has
 * the same subject there. In force at once here, within about a second elsewhere; may be repeated: what is so already is not written again.
 */
export async function putProvider(
  deps: IdentityDeps,
  call: Call,
  name: string,
  body: ProviderBody,
): Promise<{ readonly provider: SignInProvider; readonly isNew: boolean }> {
  if (!nameGrammar.test(name)) {
    throw new AppError(
      "REQUEST_INVALID",
      "a provider's name has 1 to 40 lower-case letters, digits and hyphens in between",
    );
  }
  await checkSettings(body);
  const nowMs = deps.clock.nowMs();
  const done = await deps.database.transaction(async (tx) => {
    const before = await lockProvider(tx, name);
    if (before !== undefined && before.kind !== body.kind) {
      throw new AppError(
        "REQUEST_INVALID",
        `${name} is of the kind ${before.kind}; a provider's kind never changes`,
      );
    }
    const values = valuesOf(deps, name, body, before);
    if (before !== undefined && isSame(deps, before, values)) return { provider: before, isNew: false };
    // Later than before in any case: it tells one state of the settings from the next.
    const updatedAtMs = Math.max(nowMs, (before?.updatedAtMs ?? 0) + 1);
    const provider =
      before === undefined
        ? await insertProvider(tx, values, nowMs)
        : await updateProvider(tx, before.id, values, updatedAtMs);
    if (provider === undefined) throw new AppError("CONFLICT", `${name} is being created already; try again`);
    await bumpAccessVersion(tx);
    await recordAudit(tx, call, nowMs, {
      action: before === undefined ? "sign-in-provider.create" : "sign-in-provider.update",
      target: `sign-in provider ${name}`,
      ...(before === undefined ? {} : { before: describe(before) }),
      after: describe(provider),
    });
    return { provider, isNew: before === undefined };
  });
  deps.access.changed();
  return done;
}

/**
 * Deletes a provider with the identities it vouched for and the memberships that came by it. Its users stay, without a way in unless they have another;
 * what they hold keeps working. `NOT_FOUND`.
 */
export async function removeProvider(deps: IdentityDeps, call: Call, name: string): Promise<void> {
  await deps.database.transaction(async (tx) => {
    const provider = await lockProvider(tx, name);
    if (provider === undefined) throw noSuchProvider(name);
    const teamIds = await listBoundTeams(tx, provider.id);
    await deleteProvider(tx, provider.id);
    for (const teamId of teamIds) await settleMemberships(tx, { teamId }, deps.clock.nowMs());
    await bumpAccessVersion(tx);
    await recordAudit(tx, call, deps.clock.nowMs(), {
      action: "sign-in-provider.delete",
      target: `sign-in provider ${name}`,
      before: describe(provider),
    });
  });
  deps.access.changed();
}

/** Names of the secrets that are set. */
export function secretNames(deps: IdentityDeps, provider: SignInProvider): readonly string[] {
  if (provider.secrets === undefined) return [];
  try {
    return Object.keys(openSecrets(deps, provider));
  } catch {
    // Sealed with a key that is gone: as good as not there.
    return [];
  }
}

function valuesOf(
  deps: IdentityDeps,
  name: string,
  body: ProviderBody,
  before: SignInProvider | undefined,
): ProviderValues {
  const given: ProviderSecrets = body.secrets ?? {};
  // A secret is not sent to another address than it was given for.
  const isSamePlace = before !== undefined && placeOf(before.settings) === placeOf(body.settings);
  const kept = isSamePlace ? openKept(deps, before) : {};
  return {
    name,
    kind: body.kind,
    displayName: body.displayName ?? name,
    position: body.position ?? 0,
    isEnabled: body.isEnabled ?? true,
    policy: body.policy ?? {},
    settings: body.settings,
    secrets: sealSecrets(deps, name, { ...kept, ...given }),
  };
}

/** Sealed twice, a secret looks different each time; so what is in it is compared. */
function isSame(deps: IdentityDeps, before: SignInProvider, after: ProviderValues): boolean {
  const plain = ({ displayName, position, isEnabled, policy, settings }: ProviderValues) =>
    JSON.stringify([displayName, position, isEnabled, policy, settings]);
  if (plain(before) !== plain(after)) return false;
  const secretsOf = ({ name, secrets }: ProviderValues) => openKept(deps, { name, secrets });
  const [old, now] = [secretsOf(before), secretsOf(after)];
  return old.clientSecret === now.clientSecret && old.bindPassword === now.bindPassword;
}

function openKept(deps: IdentityDeps, before: Pick<SignInProvider, "name" | "secrets">): ProviderSecrets {
  try {
    return openSecrets(deps, before);
  } catch {
    return {};
  }
}

/** What decides where a secret goes, and as whose. */
const placeKeys = [
  "url",
  "apiUrl",
  "issuer",
  "startTls",
  "allowPlainText",
  "allowPlainHttp",
  "caCertificate",
  "bindDn",
  "clientId",
];

function placeOf(settings: object): string {
  return JSON.stringify(placeKeys.map((key): unknown => Reflect.get(settings, key) ?? null));
}

/** Without its secrets; certificates are long and tell an auditor little. */
function describe(provider: SignInProvider) {
  const { kind, displayName, position, isEnabled, policy, settings } = provider;
  const text = JSON.stringify(
    { kind, displayName, position, isEnabled, policy, settings },
    (key, value: unknown) => (key === "caCertificate" || key === "certificate" ? "(a certificate)" : value),
  );
  return JSON.parse(text) as { [key: string]: string }; // as: JSON that was just written
}

export function noSuchProvider(name: string): AppError {
  return new AppError("NOT_FOUND", `there is no sign-in provider ${JSON.stringify(name.slice(0, 80))}`);
}
