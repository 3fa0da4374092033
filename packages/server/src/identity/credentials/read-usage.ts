import type { IdentityDeps } from "../identity-deps.ts";
import { daysOf, usageReply } from "./usage-reply.ts";
import { usageOfCredential, usageOfIssuer } from "./usage-store.ts";

/** Whose usage is asked for: one credential's, or the sum of an issuer's, of those with a label if there is one. */
export type UsageSubject =
  | { readonly accessTokenId: number }
  | {
      readonly issuerUserId: number;
      readonly label: { readonly name: string; readonly value: string } | undefined;
    };

/** What was done by day and repository, and its sum, for the days that the query names (`usageParameters`). `REQUEST_INVALID` for a day that is none. */
export async function readUsage(deps: IdentityDeps, subject: UsageSubject, query: URLSearchParams) {
  const days = daysOf(query, deps.clock.nowMs());
  const db = deps.database.read;
  const usage =
    "accessTokenId" in subject
      ? await usageOfCredential(db, subject.accessTokenId, days)
      : await usageOfIssuer(db, subject.issuerUserId, subject.label, days);
  return usageReply(usage);
}
