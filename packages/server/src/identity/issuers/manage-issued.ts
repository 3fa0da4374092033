import { bumpAccessVersion } from "../../access/access-version-store.ts";
import type { CredentialScopeJson } from "../../access/credential-scope.ts";
import { type AuditEntry, type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import { parseIpNetwork } from "../../lib/ip-network.ts";
import type { Page } from "../../lib/page.ts";
import type { Tx } from "../../storage/database/database.ts";
import { type AccessTokenChange, updateAccessToken } from "../access-tokens/access-token-store.ts";
import { summaryOf } from "../access-tokens/manage-access-tokens.ts";
import { revokeSecret, rotateCredential } from "../credentials/rotate-credential.ts";
import { type CredentialSecret, listSecrets } from "../credentials/secret-store.ts";
import { type AskedLimits, limitChangesOf, shapeLimits } from "../credentials/use-limits.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { deleteUserRow } from "../users/user-store.ts";
import { checkMetadata, checkNumber, endWithin, pullsWithin, scopesWithin } from "./issue-credential.ts";
import {
  deleteByLabel,
  findByExternalId,
  findByPublicId,
  type IssuedCredential,
  type IssuedFilter,
  type Labels,
  listIssued,
  lockByPublicId,
  type Metadata,
  replaceLabels,
  updateIssuedAccount,
} from "./issued-store.ts";
import { findIssuerById, type Issuer, lockIssuer } from "./issuer-store.ts";
import { homeOfIssuer } from "./manage-issuers.ts";

export type { CredentialSecret, IssuedCredential };

export interface CredentialChange extends AskedLimits {
  readonly description?: string;
  readonly metadata?: Metadata;
  readonly labels?: Labels;
  readonly isDisabled?: boolean;
  readonly scopes?: readonly CredentialScopeJson[];
  readonly networks?: readonly string[] | null;
  readonly notBeforeMs?: number | null;
  readonly expiresAtMs?: number | null;
}

const revokedAtOnce = 1_000;

/** One page of an issuer's credentials, in the order in which they were made. `externalId` finds one at most. */
export async function listIssuedPage(
  deps: IdentityDeps,
  issuerUserId: number,
  filter: IssuedFilter & { readonly externalId: string | undefined },
  page: Page,
): Promise<{ readonly credentials: readonly IssuedCredential[]; readonly hasMore: boolean }> {
  const db = deps.database.read;
  if (filter.externalId !== undefined) {
    const found = await findByExternalId(db, issuerUserId, filter.externalId);
    return { credentials: found === undefined ? [] : [found], hasMore: false };
  }
  if (page.limit === 0) return { credentials: [], hasMore: false };
  if (page.last !== undefined && !/^[0-9]{1,15}$/.test(page.last)) {
    throw new AppError("REQUEST_INVALID", "`last` must be taken from `next` of the page before");
  }
  const afterUserId = Number(page.last ?? 0);
  const rows = await listIssued(db, issuerUserId, filter, { afterUserId, limit: page.limit + 1 });
  return { credentials: rows.slice(0, page.limit), hasMore: rows.length > page.limit };
}

/** `NOT_FOUND` for what the issuer has not made. */
export async function getIssued(
  deps: IdentityDeps,
  issuerUserId: number,
  id: string,
): Promise<IssuedCredential> {
  const found = await findByPublicId(deps.database.read, issuerUserId, id);
  if (found === undefined) throw noSuchCredential();
  return found;
}

/** The secrets of a credential, oldest first, as far as they are told again. */
export async function getIssuedSecrets(
  deps: IdentityDeps,
  { token }: IssuedCredential,
): Promise<readonly CredentialSecret[]> {
  return (await listSecrets(deps.database.read, [token.id])).get(token.id) ?? [];
}

/** Changes a credential, within the box as it is now: one that comes back to life counts as a new one. Errors as `issueCredential`; `NOT_FOUND`. */
export async function changeIssued(
  deps: IdentityDeps,
  source: AuditSource,
  issuerUserId: number,
  id: string,
  change: CredentialChange,
): Promise<IssuedCredential> {
  checkMetadata(change.metadata);
  await inTurn(deps, source, issuerUserId, id, async (tx, issuer, before) => {
    const nowMs = deps.clock.nowMs();
    const { scopes, networks, notBeforeMs, expiresAtMs } = change;
    const values: AccessTokenChange = {
      ...(scopes === undefined ? {} : { scopes: await scopesWithin(tx, issuer.box, scopes) }),
      ...(networks === undefined ? {} : { networks: networks?.map(parseIpNetwork) }),
      ...(notBeforeMs === undefined ? {} : { notBeforeMs: notBeforeMs ?? undefined }),
      ...(expiresAtMs === undefined
        ? {}
        : { expiresAtMs: endWithin(issuer.box, expiresAtMs ?? undefined, nowMs) }),
      ...limitChangesOf(change),
      ...(change.maxPullsPerHour === undefined
        ? {}
        : { maxPullsPerHour: pullsWithin(issuer.box, change.maxPullsPerHour) }),
    };
    await updateAccessToken(tx, before.token, values);
    await updateIssuedAccount(tx, before.userId, {
      description: change.description ?? before.description,
      metadata: change.metadata ?? before.metadata,
      isDisabled: change.isDisabled ?? before.isDisabled,
    });
    if (change.labels !== undefined) await replaceLabels(tx, issuerUserId, before.userId, change.labels);
    const after = {
      isDisabled: change.isDisabled ?? before.isDisabled,
      token: { ...before.token, ...values },
    };
    if (!isActive(before, nowMs) && isActive(after, nowMs)) {
      await checkNumber(tx, (await lockIssuer(tx, issuerUserId)) ?? issuer, nowMs);
    }
    return {
      action: "issued-credential.update",
      before: { ...summaryOf(before.token), labels: before.labels, isDisabled: before.isDisabled },
      after: {
        ...summaryOf(after.token),
        ...shapeLimits({ ...before.token.limits, ...values }),
        labels: change.labels ?? before.labels,
        isDisabled: after.isDisabled,
      },
    };
  });
  return getIssued(deps, issuerUserId, id);
}

/** Whether it counts among those that an issuer may have at one time. */
function isActive(
  { isDisabled, token }: Pick<IssuedCredential, "isDisabled" | "token">,
  nowMs: number,
): boolean {
  return !isDisabled && (token.expiresAtMs === undefined || token.expiresAtMs > nowMs);
}

/** Gives a credential a new secret; the old one stays good for the time of grace. See `rotateCredential`. */
export async function rotateIssued(
  deps: IdentityDeps,
  source: AuditSource,
  issuerUserId: number,
  id: string,
  options: { readonly graceSeconds?: number; readonly secret?: string },
): Promise<{ readonly credential: IssuedCredential; readonly secret: string }> {
  let secret = "";
  await inTurn(deps, source, issuerUserId, id, async (tx, _issuer, { token, userId, username }) => {
    const made = await rotateCredential(
      tx,
      deps,
      { accessTokenId: token.id, userId, username },
      { graceSeconds: options.graceSeconds, suppliedSecret: options.secret },
    );
    secret = made.secret;
    return { action: "issued-credential.rotate", detail: { graceSeconds: options.graceSeconds } };
  });
  return { credential: await getIssued(deps, issuerUserId, id), secret };
}

/** Ends one of the two secrets of a credential. `NOT_FOUND`. */
export async function revokeIssuedSecret(
  deps: IdentityDeps,
  source: AuditSource,
  issuerUserId: number,
  id: string,
  secretId: number,
): Promise<void> {
  await inTurn(deps, source, issuerUserId, id, async (tx, _issuer, { token }) => {
    await revokeSecret(tx, token.id, secretId);
    return { action: "issued-credential.revoke-secret", detail: { secretId } };
  });
}

/** Ends a credential with its account, and all that was got with it. `NOT_FOUND` for what the issuer has not made, or has revoked. */
export async function revokeIssued(
  deps: IdentityDeps,
  source: AuditSource,
  issuerUserId: number,
  id: string,
): Promise<void> {
  await inTurn(deps, source, issuerUserId, id, async (tx, _issuer, { userId, externalId }) => {
    await deleteUserRow(tx, userId);
    return { action: "issued-credential.revoke", detail: { externalId } };
  });
}

/** Ends every credential that has the label; tells how many. May be repeated. */
export async function revokeByLabel(
  deps: IdentityDeps,
  source: AuditSource,
  issuerUserId: number,
  label: { readonly name: string; readonly value: string },
): Promise<number> {
  let revoked = 0;
  for (;;) {
    const names = await deps.database.transaction(async (tx) => {
      const issuer = await findIssuerById(tx, issuerUserId);
      const found = await deleteByLabel(tx, issuerUserId, label, revokedAtOnce);
      if (found.length === 0 || issuer === undefined) return found;
      await bumpAccessVersion(tx);
      await recordAudit(tx, source, deps.clock.nowMs(), {
        action: "issued-credential.revoke-by-label",
        target: `accounts of ${issuer.username}`,
        namespace: homeOfIssuer(issuer.username),
        detail: {
          label: `${label.name}=${label.value}`,
          count: found.length,
          usernames: found.slice(0, 100),
        },
      });
      return found;
    });
    deps.access.changed();
    revoked += names.length;
    if (names.length < revokedAtOnce) return revoked;
  }
}

/** A change of one credential, held meanwhile; with its audit entry, and everybody told. */
async function inTurn(
  deps: IdentityDeps,
  source: AuditSource,
  issuerUserId: number,
  id: string,
  change: (
    tx: Tx,
    issuer: Issuer,
    credential: IssuedCredential,
  ) => Promise<Pick<AuditEntry, "action" | "before" | "after" | "detail">>,
): Promise<void> {
  await deps.database.transaction(async (tx) => {
    const issuer = await findIssuerById(tx, issuerUserId);
    const credential = await lockByPublicId(tx, issuerUserId, id);
    if (issuer === undefined || credential === undefined) throw noSuchCredential();
    const entry = await change(tx, issuer, credential);
    await bumpAccessVersion(tx);
    await recordAudit(tx, source, deps.clock.nowMs(), {
      ...entry,
      target: `account ${credential.username}`,
      namespace: homeOfIssuer(issuer.username),
    });
  });
  deps.access.changed();
}

function noSuchCredential(): AppError {
  return new AppError("NOT_FOUND", "there is no such credential");
}
