import type { RepositoryPattern } from "@entrepot/oci/path-pattern";
import type { JWK } from "jose";
import type { Queryable, Tx } from "../../storage/database/database.ts";

/** A token service outside whose tokens count for the repositories of its patterns. */
export interface TokenIssuer {
  readonly id: number;
  readonly name: string;
  /** The claims `iss` and `aud` of its tokens. */
  readonly issuer: string;
  readonly audience: string;
  readonly algorithms: readonly string[];
  readonly clockSkewSeconds: number;
  readonly patterns: readonly RepositoryPattern[];
  /** Where its keys are published; undefined = nowhere. */
  readonly jwksUrl: string | undefined;
  /** Keys that were given, public parts only. */
  readonly keys: readonly JWK[];
  /** Certificates that the `x5c` of a token must lead to, PEM; undefined = `x5c` is passed over. */
  readonly roots: string | undefined;
  /** Where clients get tokens; undefined = they are told of our own service. */
  readonly realm: string | undefined;
  readonly createdAtMs: number;
  readonly createdBy: string;
}

export async function listTokenIssuers(db: Queryable): Promise<readonly TokenIssuer[]> {
  const rows = await db.selectFrom("token_issuers").selectAll().orderBy("name").execute();
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    issuer: row.issuer,
    audience: row.audience,
    algorithms: JSON.parse(row.algorithms),
    clockSkewSeconds: row.clock_skew_seconds,
    patterns: JSON.parse(row.patterns),
    jwksUrl: row.jwks_url ?? undefined,
    keys: row.keys === null ? [] : JSON.parse(row.keys),
    roots: row.roots ?? undefined,
    realm: row.realm ?? undefined,
    createdAtMs: row.created_at_ms,
    createdBy: row.created_by,
  }));
}

/** False when the name, or the pair of issuer and audience, is taken. */
export async function insertTokenIssuer(tx: Tx, issuer: Omit<TokenIssuer, "id">): Promise<boolean> {
  const done = await tx
    .insertInto("token_issuers")
    .values({
      name: issuer.name,
      issuer: issuer.issuer,
      audience: issuer.audience,
      algorithms: JSON.stringify(issuer.algorithms),
      clock_skew_seconds: issuer.clockSkewSeconds,
      patterns: JSON.stringify(issuer.patterns),
      jwks_url: issuer.jwksUrl ?? null,
      keys: issuer.keys.length === 0 ? null : JSON.stringify(issuer.keys),
      roots: issuer.roots ?? null,
      realm: issuer.realm ?? null,
      created_at_ms: issuer.createdAtMs,
      created_by: issuer.createdBy,
    })
    .onConflict((conflict) => conflict.doNothing())
    .returning("id")
    .executeTakeFirst();
  return done !== undefined;
}

/** False when there is none. */
export async function deleteTokenIssuer(tx: Tx, name: string): Promise<boolean> {
  const done = await tx
    .deleteFrom("token_issuers")
    .where("name", "=", name)
    .returning("id")
    .executeTakeFirst();
  return done !== undefined;
}
