import { createPublicKey } from "node:crypto";
import { parseRepositoryPattern } from "@entrepot/oci/path-pattern";
import type { Access } from "../../access/access.ts";
import { bumpAccessVersion } from "../../access/access-version-store.ts";
import { actorName } from "../../access/actor.ts";
import type { VersionedCache } from "../../access/versioned-cache.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Database } from "../../storage/database/database.ts";
import { libtrustKeyId } from "./libtrust-key-id.ts";
import { readCertificates, readPublicKeys } from "./public-keys.ts";
import {
  deleteTokenIssuer,
  insertTokenIssuer,
  listTokenIssuers,
  type TokenIssuer,
} from "./token-issuer-store.ts";

export type { TokenIssuer };

export interface ManageIssuersDeps {
  readonly database: Database;
  readonly cache: VersionedCache;
  readonly clock: Clock;
  readonly access: Pick<Access, "changed">;
}

export interface NewTokenIssuer {
  readonly name: string;
  readonly issuer: string;
  readonly audience: string;
  readonly algorithms: readonly string[];
  readonly patterns: readonly string[];
  readonly clockSkewSeconds?: number;
  readonly jwksUrl?: string;
  readonly keys?: string;
  readonly rootCertificates?: string;
  readonly realm?: string;
}

/** As long as clocks of well-kept machines differ. */
const defaultSkewSeconds = 60;

/** All of them as everybody knows them now, by name. */
export async function knownTokenIssuers(
  deps: Pick<ManageIssuersDeps, "database" | "cache">,
): Promise<readonly TokenIssuer[]> {
  const { issuers } = await deps.cache.get("token issuers", async () => ({
    issuers: await listTokenIssuers(deps.database.read),
  }));
  return issuers;
}

/** The key ids of what was given, as libtrust makes them. */
export function keyIdsOf(issuer: TokenIssuer): readonly string[] {
  return issuer.keys.map((jwk) => libtrustKeyId(createPublicKey({ key: { ...jwk }, format: "jwk" })));
}

/**
 * From the commit on tokens of the issuer count. `ALREADY_EXISTS` when the name, or the issuer with that audience, is taken; `REQUEST_INVALID` for keys,
 * certificates or addresses that are none, or when there is nothing to verify tokens with; `NAME_INVALID` for a pattern that is none.
 */
export async function createTokenIssuer(
  deps: ManageIssuersDeps,
  call: Call,
  wanted: NewTokenIssuer,
): Promise<TokenIssuer> {
  const { name, jwksUrl, rootCertificates, realm } = wanted;
  if (jwksUrl === undefined && wanted.keys === undefined && rootCertificates === undefined) {
    throw new AppError("REQUEST_INVALID", "give jwksUrl, keys or rootCertificates to verify tokens with");
  }
  for (const address of [jwksUrl, realm]) checkAddress(address);
  if (rootCertificates !== undefined) readCertificates(rootCertificates);
  const issuer = {
    name,
    issuer: wanted.issuer,
    audience: wanted.audience,
    algorithms: wanted.algorithms,
    clockSkewSeconds: wanted.clockSkewSeconds ?? defaultSkewSeconds,
    patterns: wanted.patterns.map(parseRepositoryPattern),
    jwksUrl,
    keys: wanted.keys === undefined ? [] : readPublicKeys(wanted.keys),
    roots: rootCertificates,
    realm,
    createdAtMs: deps.clock.nowMs(),
    createdBy: actorName(call.actor),
  };
  await deps.database.transaction(async (tx) => {
    if (!(await insertTokenIssuer(tx, issuer))) {
      throw new AppError(
        "ALREADY_EXISTS",
        "there is a token issuer of that name, or of that issuer and audience, already",
      );
    }
    await bumpAccessVersion(tx);
    const { keys, roots, ...told } = issuer;
    await recordAudit(tx, call, issuer.createdAtMs, {
      action: "token-issuer.create",
      target: `token issuer ${name}`,
      after: { ...told, keys: keys.length, hasRootCertificates: roots !== undefined },
    });
  });
  deps.access.changed();
  const created = (await listTokenIssuers(deps.database.read)).find((one) => one.name === name);
  if (created === undefined) throw new AppError("NOT_FOUND", "the token issuer was removed meanwhile");
  return created;
}

/** From the commit on its tokens count no longer, those already issued included. `NOT_FOUND`. */
export async function removeTokenIssuer(deps: ManageIssuersDeps, call: Call, name: string): Promise<void> {
  await deps.database.transaction(async (tx) => {
    if (!(await deleteTokenIssuer(tx, name)))
      throw new AppError("NOT_FOUND", "there is no such token issuer");
    await bumpAccessVersion(tx);
    await recordAudit(tx, call, deps.clock.nowMs(), {
      action: "token-issuer.delete",
      target: `token issuer ${name}`,
    });
  });
  deps.access.changed();
}

function checkAddress(address: string | undefined): void {
  if (address === undefined) return;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const isHere = url !== undefined && ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url?.protocol === "https:" || (url?.protocol === "http:" && isHere)) return;
  throw new AppError("REQUEST_INVALID", "jwksUrl and realm must be https addresses");
}
