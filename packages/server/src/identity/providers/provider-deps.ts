import type { Tx } from "../../storage/database/database.ts";
import type { IdentityDeps } from "../identity-deps.ts";

export interface ProviderDeps extends IdentityDeps {
  readonly invitations: Invitations;
}

/** Who was asked to come; kept by another feature. */
export interface Invitations {
  /** Whether somebody with this verified address was invited and the invitation still stands. */
  isInvited(tx: Tx, email: string, nowMs: number): Promise<boolean>;
}
