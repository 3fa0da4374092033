import type { Tx } from "../../storage/database/database.ts";
import { isAccountName } from "./account-name.ts";
import { noSuchUser } from "./find-users.ts";
import { holdAccount } from "./user-store.ts";

/** Somebody who can be given rights by hand. */
export interface Account {
  readonly id: number;
  readonly kind: "person" | "robot";
  /** Who owns a robot. */
  readonly namespaceId: number | undefined;
}

/**
 * A person or a robot by name, who then stays until this transaction ends. `NOT_FOUND` when there is none, and for the accounts of issuers: what
 * those may is their issuer's business alone.
 */
export async function getHeldAccount(tx: Tx, username: string): Promise<Account> {
  const found = isAccountName(username) ? await holdAccount(tx, username) : undefined;
  if (found === undefined || (found.kind !== "person" && found.kind !== "robot")) throw noSuchUser(username);
  return { id: found.id, kind: found.kind, namespaceId: found.namespaceId };
}
