import { AppError } from "../../lib/app-error.ts";
import type { Tx } from "../../storage/database/database.ts";
import { hasLivingAdministrator, listAdministeredBy } from "./team-store.ts";

/**
 * Runs a change of teams or members that must not leave an organization without anybody to administer it: `IN_USE`, and nothing is changed, when
 * the last person who can goes by it. An organization that had nobody before may stay so; administrators of the registry look after it. Called
 * after `bumpAccessVersion`: changes of rights wait for one another at that row, so two cannot remove each other.
 */
export async function keepAdministrable<T>(
  tx: Tx,
  namespaceId: number,
  nowMs: number,
  change: () => Promise<T>,
): Promise<T> {
  const before = await hasLivingAdministrator(tx, namespaceId, nowMs);
  const result = await change();
  if (before && !(await hasLivingAdministrator(tx, namespaceId, nowMs))) {
    throw new AppError(
      "IN_USE",
      "nobody would be left who can sign in and administer the organization; give somebody else a team of the role admin first",
    );
  }
  return result;
}

/** As `keepAdministrable`, for a user who goes altogether. */
export async function keepAllAdministrable(
  tx: Tx,
  userId: number,
  nowMs: number,
  change: () => Promise<void>,
): Promise<void> {
  const administered: { readonly id: number; readonly name: string }[] = [];
  for (const organization of await listAdministeredBy(tx, userId)) {
    if (await hasLivingAdministrator(tx, organization.id, nowMs)) administered.push(organization);
  }
  await change();
  for (const { id, name } of administered) {
    if (await hasLivingAdministrator(tx, id, nowMs)) continue;
    throw new AppError(
      "IN_USE",
      `nobody else can sign in and administer ${name}; give it another administrator first, or disable the user instead`,
    );
  }
}
