import type { Selectable } from "kysely";
import type { Queryable, Tx } from "../../storage/database/database.ts";
import { forKeyShare, forUpdate } from "../../storage/database/row-locks.ts";
import type { Tables } from "../../storage/database/tables.ts";
import type { Policy } from "./provider-schema.ts";

export const providerKinds = ["oidc", "ldap", "keystone", "external-jwt", "github", "google"] as const;
export type ProviderKind = (typeof providerKinds)[number];

/** A provider as its administrators have set it up. */
export interface SignInProvider {
  readonly id: number;
  readonly name: string;
  readonly kind: ProviderKind;
  readonly displayName: string;
  readonly position: number;
  readonly isEnabled: boolean;
  readonly policy: Policy;
  /** Of the form that its kind has in provider-schema.ts: checked before it was written. */
  readonly settings: object;
  /** Sealed. */
  readonly secrets: string | undefined;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly syncedAtMs: number | undefined;
  readonly syncReport: object | undefined;
}

export type ProviderValues = Pick<
  SignInProvider,
  "name" | "kind" | "displayName" | "position" | "isEnabled" | "policy" | "settings" | "secrets"
>;

/** In the order in which they are asked. */
export async function listProviders(db: Queryable): Promise<readonly SignInProvider[]> {
  const rows = await db
    .selectFrom("sign_in_providers")
    .selectAll()
    .orderBy("position")
    .orderBy("name")
    .execute();
  return rows.map(toProvider);
}

/** The provider as it is, until this transaction ends. */
export async function lockProvider(tx: Tx, name: string): Promise<SignInProvider | undefined> {
  const query = tx.selectFrom("sign_in_providers").selectAll().where("name", "=", name);
  const row = await forUpdate(tx, query).executeTakeFirst();
  return row === undefined ? undefined : toProvider(row);
}

/** Keeps the provider, and which teams its groups fill, as they are until this transaction ends; any number may do so at once (`lockProvider` waits). */
export async function holdProvider(tx: Tx, id: number): Promise<void> {
  await forKeyShare(tx, tx.selectFrom("sign_in_providers").select("id").where("id", "=", id)).execute();
}

/** Undefined when the name is taken. */
export async function insertProvider(
  tx: Tx,
  provider: ProviderValues,
  nowMs: number,
): Promise<SignInProvider | undefined> {
  const row = await tx
    .insertInto("sign_in_providers")
    .values({ ...toRow(provider), name: provider.name, created_at_ms: nowMs, updated_at_ms: nowMs })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .returningAll()
    .executeTakeFirst();
  return row === undefined ? undefined : toProvider(row);
}

export async function updateProvider(
  tx: Tx,
  id: number,
  provider: ProviderValues,
  updatedAtMs: number,
): Promise<SignInProvider> {
  const row = await tx
    .updateTable("sign_in_providers")
    .set({ ...toRow(provider), updated_at_ms: updatedAtMs })
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirstOrThrow();
  return toProvider(row);
}

/** Identities, their groups and team bindings go with it by cascade. */
export async function deleteProvider(tx: Tx, id: number): Promise<void> {
  await tx.deleteFrom("sign_in_providers").where("id", "=", id).execute();
}

/** What a pass found; `syncedAtMs` absent when it failed. */
export async function recordSync(
  tx: Tx,
  id: number,
  pass: { readonly syncedAtMs?: number; readonly report: object },
): Promise<void> {
  await tx
    .updateTable("sign_in_providers")
    .set({
      sync_report: JSON.stringify(pass.report),
      ...(pass.syncedAtMs === undefined ? {} : { synced_at_ms: pass.syncedAtMs }),
    })
    .where("id", "=", id)
    .execute();
}

function toRow(provider: ProviderValues) {
  return {
    kind: provider.kind,
    display_name: provider.displayName,
    position: provider.position,
    is_enabled: provider.isEnabled ? 1 : 0,
    policy: JSON.stringify(provider.policy),
    settings: JSON.stringify(provider.settings),
    secrets: provider.secrets ?? null,
  };
}

function toProvider(row: Selectable<Tables["sign_in_providers"]>): SignInProvider {
  const kind = providerKinds.find((one) => one === row.kind);
  if (kind === undefined) throw new Error(`a sign-in provider of the unknown kind ${row.kind}`);
  return {
    id: row.id,
    name: row.name,
    kind,
    displayName: row.display_name,
    position: row.position,
    isEnabled: row.is_enabled === 1,
    policy: JSON.parse(row.policy) as Policy, // as: written by `toRow` after the schema's check
    settings: parseObject(row.settings),
    secrets: row.secrets ?? undefined,
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
    syncedAtMs: row.synced_at_ms ?? undefined,
    syncReport: row.sync_report === null ? undefined : parseObject(row.sync_report),
  };
}

function parseObject(text: string): object {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null) throw new Error("a row of sign_in_providers is damaged");
  return value;
}
