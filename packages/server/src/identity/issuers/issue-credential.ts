import {
  areWithin,
  type CredentialScope,
  type CredentialScopeJson,
  toCredentialScope,
} from "../../access/credential-scope.ts";
import { type AuditSource, recordAudit } from "../../activity/audit/record-audit.ts";
import { AppError } from "../../lib/app-error.ts";
import { newUuid } from "../../lib/ids.ts";
import { parseIpNetwork } from "../../lib/ip-network.ts";
import type { Tx } from "../../storage/database/database.ts";
import { summaryOf } from "../access-tokens/manage-access-tokens.ts";
import { createCredential } from "../credentials/create-credential.ts";
import { presentScopesAnywhere } from "../credentials/present-scopes.ts";
import { type AskedLimits, limitsOf } from "../credentials/use-limits.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import {
  countActive,
  findByExternalId,
  type IssuedCredential,
  insertIssuedAccount,
  type Labels,
  type Metadata,
  replaceLabels,
} from "./issued-store.ts";
import { findIssuerById, holdHomeOf, type Issuer, type IssuerBox, lockIssuer } from "./issuer-store.ts";
import { homeOfIssuer } from "./manage-issuers.ts";

const maxMetadataBytes = 16_384;

export interface CredentialRequest extends AskedLimits {
  readonly externalId?: string;
  readonly name?: string;
  readonly description?: string;
  readonly metadata?: Metadata;
  readonly labels?: Labels;
  readonly scopes?: readonly CredentialScopeJson[];
  readonly networks?: readonly string[];
  readonly notBeforeMs?: number;
  readonly expiresAtMs?: number;
  readonly secret?: string;
}

export interface Issued {
  readonly credential: IssuedCredential;
  /** Told now and never again; undefined when the credential was there already. */
  readonly secret: string | undefined;
}

/**
 * Makes an account with a credential within the caller's box, or finds the one that the issuer made before for the same `externalId`, unchanged and
 * without its secret: asked twice, also at the same moment, there is one. `scopes` absent = the whole box. `DENIED` for what lies outside the box, or
 * when the box is full; `REQUEST_INVALID` when it must expire and does not say when; `ALREADY_EXISTS` for a name in use.
 */
export async function issueCredential(
  deps: IdentityDeps,
  source: AuditSource,
  issuerUserId: number,
  request: CredentialRequest,
): Promise<Issued> {
  checkMetadata(request.metadata);
  const known = await findKnown(deps, issuerUserId, request.externalId);
  if (known !== undefined) return { credential: known, secret: undefined };
  return deps.database.transaction(async (tx) => {
    const issuer = await holdIssuer(tx, issuerUserId);
    const { box } = issuer;
    const nowMs = deps.clock.nowMs();
    const expiresAtMs = endWithin(box, request.expiresAtMs, nowMs);
    const scopes = await scopesWithin(tx, box, request.scopes);
    const username = `${issuer.username}+${request.name ?? newUuid().replaceAll("-", "").slice(0, 16)}`;
    const description = request.description ?? "";
    const metadata = request.metadata ?? {};
    const userId = await insertIssuedAccount(tx, {
      issuerUserId,
      issuerName: issuer.username,
      username,
      externalId: request.externalId,
      description,
      metadata,
      nowMs,
    });
    if (userId === undefined) {
      const other =
        request.externalId === undefined
          ? undefined
          : await findByExternalId(tx, issuerUserId, request.externalId);
      if (other !== undefined) return { credential: other, secret: undefined };
      throw new AppError("ALREADY_EXISTS", `there is an account named ${username} already`);
    }
    const { token, secret } = await createCredential(tx, deps, {
      userId,
      username,
      kind: "issued",
      name: "issued",
      scopes,
      networks: request.networks?.map(parseIpNetwork),
      notBeforeMs: request.notBeforeMs,
      expiresAtMs,
      limits: { ...limitsOf(request), maxPullsPerHour: pullsWithin(box, request.maxPullsPerHour) },
      suppliedSecret: request.secret,
    });
    const labels = request.labels ?? {};
    await replaceLabels(tx, issuerUserId, userId, labels);
    await checkNumber(tx, issuer, nowMs);
    await recordAudit(tx, source, nowMs, {
      action: "issued-credential.create",
      target: `account ${username}`,
      namespace: homeOfIssuer(issuer.username),
      after: { ...summaryOf(token), externalId: request.externalId, labels },
    });
    const credential: IssuedCredential = {
      userId,
      username,
      externalId: request.externalId,
      description,
      metadata,
      labels,
      isDisabled: false,
      token,
    };
    // Nobody has to forget anything: that an account or a secret is not there is never remembered.
    return { credential, secret };
  });
}

async function findKnown(
  deps: IdentityDeps,
  issuerUserId: number,
  externalId: string | undefined,
): Promise<IssuedCredential | undefined> {
  return externalId === undefined
    ? undefined
    : findByExternalId(deps.database.read, issuerUserId, externalId);
}

/** Issuers without a limit of number do not wait for one another. What they issue is called after them: a rename waits, and takes it along. */
async function holdIssuer(tx: Tx, issuerUserId: number): Promise<Issuer> {
  await holdHomeOf(tx, issuerUserId);
  const found = await findIssuerById(tx, issuerUserId);
  const held = found?.box.maxActive === undefined ? found : await lockIssuer(tx, issuerUserId);
  if (held === undefined || held.isDisabled)
    throw new AppError("DENIED", "the issuer may not issue any more");
  return held;
}

/** Counts with the one in it that has just come, under the issuer's lock where there is a limit. `DENIED` when there are too many. */
export async function checkNumber(
  tx: Tx,
  { userId, box: { maxActive } }: Pick<Issuer, "userId" | "box">,
  nowMs: number,
): Promise<void> {
  if (maxActive === undefined || (await countActive(tx, userId, nowMs)) <= maxActive) return;
  throw new AppError("DENIED", `the issuer may have ${maxActive} credentials at one time, and has them`);
}

/** The scopes asked for, what was renamed by its present name, or all of the box. `DENIED` when they carry what the box does not. */
export async function scopesWithin(
  tx: Tx,
  box: IssuerBox,
  asked: readonly CredentialScopeJson[] | undefined,
): Promise<readonly CredentialScope[]> {
  const whole = box.repositories.map((repositories) => ({
    repositories,
    tags: undefined,
    actions: box.actions,
  }));
  if (asked === undefined) return whole;
  const scopes = asked.map(toCredentialScope);
  const present = await presentScopesAnywhere(tx, scopes);
  if (areWithin(whole, present)) return present;
  if (areWithin(whole, scopes)) return scopes;
  throw new AppError("DENIED", "the scopes reach outside what the issuer may give");
}

/** When the credential ends: as asked, or as late as the box allows. */
export function endWithin(box: IssuerBox, askedMs: number | undefined, nowMs: number): number | undefined {
  if (askedMs === undefined && box.requireExpiry) {
    throw new AppError("REQUEST_INVALID", "credentials of this issuer must expire: give `expiresAtMs`");
  }
  if (box.maxLifetimeSeconds === undefined) return askedMs;
  const latestMs = nowMs + box.maxLifetimeSeconds * 1_000;
  if (askedMs !== undefined && askedMs > latestMs) {
    throw new AppError("DENIED", `credentials of this issuer live ${box.maxLifetimeSeconds} seconds at most`);
  }
  return askedMs ?? latestMs;
}

/** The limit asked for, or that of the box. `DENIED` for more than the box has. */
export function pullsWithin(box: IssuerBox, asked: number | null | undefined): number | undefined {
  const { maxPullsPerHour } = box;
  if (maxPullsPerHour === undefined) return asked ?? undefined;
  if ((asked ?? 0) > maxPullsPerHour) {
    throw new AppError("DENIED", `credentials of this issuer pull ${maxPullsPerHour} times an hour at most`);
  }
  return asked ?? maxPullsPerHour;
}

export function checkMetadata(metadata: Metadata | undefined): void {
  if (metadata === undefined || Buffer.byteLength(JSON.stringify(metadata)) <= maxMetadataBytes) return;
  throw new AppError("REQUEST_INVALID", `metadata has at most ${maxMetadataBytes} bytes as JSON`);
}
