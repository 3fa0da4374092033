import type { IdentityDeps } from "../identity-deps.ts";
import { findTotpSeed, listSecurityKeys } from "./factor-store.ts";
import { sealTicket, type TicketPurpose } from "./ticket.ts";
import { authenticationOptions, canHaveSecurityKeys, type RelyingParty } from "./web-authn.ts";

/** What somebody may show, and what they need for it. */
export interface Offer {
  readonly methods: readonly ("totp" | "security-key" | "recovery-code")[];
  /** To be sent back with the factor. */
  readonly ticket: string;
  /** For `navigator.credentials.get`; null when there is no key. */
  readonly securityKeyOptions: unknown;
}

/** Offers a user the factors that they have; undefined when they have none. */
export async function offerFactors(
  deps: IdentityDeps,
  purpose: TicketPurpose,
  user: { readonly userId: number; readonly passwordEpoch: string },
  party: RelyingParty,
): Promise<Offer | undefined> {
  const { read } = deps.database;
  const hasTotp = (await findTotpSeed(read, user.userId)) !== undefined;
  const keys = await listSecurityKeys(read, user.userId);
  if (!hasTotp && keys.length === 0) return undefined;
  const canUseKeys = keys.length > 0 && canHaveSecurityKeys(party);
  const options = canUseKeys ? await authenticationOptions(party, keys) : undefined;
  return {
    methods: [
      ...(hasTotp ? (["totp"] as const) : []),
      ...(canUseKeys ? (["security-key"] as const) : []),
      "recovery-code",
    ],
    ticket: sealTicket(deps, purpose, {
      userId: user.userId,
      passwordEpoch: user.passwordEpoch,
      challenge: options?.challenge,
    }),
    securityKeyOptions: options ?? null,
  };
}
