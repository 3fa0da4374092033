import { isObject } from "@entrepot/oci/json-object";
import type { Database } from "../../storage/database/database.ts";
import { type AuditSigner, statementOf } from "./audit-signer.ts";
import type { SealedEntry } from "./audit-store.ts";
import {
  type Chain,
  countUnsealed,
  findChain,
  findHashAt,
  findSealedUpTo,
  listSealedAfter,
  type Signed,
} from "./chain-store.ts";
import { firstHash, hashEntry } from "./hash-entry.ts";

/** What is wrong with the chain, at the first place where something is. */
export interface ChainProblem {
  readonly kind: "changed" | "removed" | "inserted" | "truncated" | "forged";
  readonly sequence: number;
  /** For a person. */
  readonly message: string;
}

export interface Verification {
  readonly checked: number;
  /** Undefined = nothing is wrong with what was looked at. */
  readonly problem: ChainProblem | undefined;
  /** Where to go on; undefined = the end was reached. */
  readonly next: number | undefined;
  /** The last entry that was let go, and the last there is. */
  readonly checkpoint: Signed | undefined;
  readonly head: Signed | undefined;
  /** Entries that wait for their place. */
  readonly unsealed: number;
}

/** An end of the chain that somebody has kept elsewhere. */
export interface Anchor {
  readonly sequence: number;
  readonly hash: string;
}

const batch = 1_000;

/**
 * Computes the hashes of at most `limit` entries after `after` anew and compares them with what is stored; names the first entry that was changed,
 * removed or put in. The ends are checked against their signatures, and against the `anchors` given: an end that was cut off together with the
 * database's own knowledge of it shows by these only.
 */
export async function verifyChain(
  deps: { readonly database: Database; readonly signer: AuditSigner },
  asked: { readonly after?: number | undefined; readonly limit: number; readonly anchors: readonly Anchor[] },
): Promise<Verification> {
  const db = deps.database.read;
  const chain = await findChain(db);
  const unsealed = await countUnsealed(db);
  const ends = { checkpoint: chain?.checkpoint, head: chain?.head, unsealed };
  const broken = (problem: ChainProblem, checked = 0): Verification => ({
    ...ends,
    checked,
    problem,
    next: undefined,
  });
  const atEnds = await checkEnds(deps, chain, asked.anchors);
  if (atEnds !== undefined) return broken(atEnds);
  if (chain === undefined) return { ...ends, checked: 0, problem: undefined, next: undefined };

  let place = await startAt(deps.database, chain, asked.after);
  let checked = 0;
  while (checked < asked.limit) {
    const entries = await listSealedAfter(db, place.sequence, Math.min(batch, asked.limit - checked));
    for (const entry of entries) {
      const problem = judge(entry, place, chain) ?? (await judgeAnchor(deps, entry));
      if (problem !== undefined) return broken(problem, checked);
      place = { sequence: entry.sequence, hash: entry.hash };
      checked += 1;
      if (place.sequence === chain.head.sequence) break;
    }
    if (place.sequence === chain.head.sequence) {
      const problem = await checkTail(deps.database, chain, place);
      return problem === undefined
        ? { ...ends, checked, problem, next: undefined }
        : broken(problem, checked);
    }
    if (entries.length === 0) {
      return broken({ ...missing(place.sequence + 1, chain.head.sequence), kind: "truncated" }, checked);
    }
  }
  return { ...ends, checked, problem: undefined, next: place.sequence };
}

async function checkEnds(
  deps: { readonly database: Database; readonly signer: AuditSigner },
  chain: Chain | undefined,
  anchors: readonly Anchor[],
): Promise<ChainProblem | undefined> {
  const head = chain?.head ?? { sequence: 0, hash: firstHash, atMs: 0, signature: "" };
  const checkpoint = chain?.checkpoint;
  if (head.sequence > 0 && !(await deps.signer.verify(statementOf("head", head), head.signature))) {
    return {
      kind: "forged",
      sequence: head.sequence,
      message: "the end of the chain is not signed by the registry",
    };
  }
  if (chain === undefined || checkpoint === undefined || checkpoint.sequence === 0) {
    return checkAnchors(deps.database, head.sequence, 0, anchors);
  }
  if (!(await deps.signer.verify(statementOf("checkpoint", checkpoint), checkpoint.signature))) {
    const message =
      "the beginning of the chain is not signed by the registry: entries were let go by somebody else";
    return { kind: "forged", sequence: checkpoint.sequence, message };
  }
  const early = await findSealedUpTo(deps.database.read, checkpoint.sequence);
  if (early !== undefined) {
    return {
      kind: "inserted",
      sequence: early,
      message: `entry ${early} stands before the beginning of the chain`,
    };
  }
  return checkAnchors(deps.database, head.sequence, checkpoint.sequence, anchors);
}

async function checkAnchors(
  database: Database,
  headSequence: number,
  prunedSequence: number,
  anchors: readonly Anchor[],
): Promise<ChainProblem | undefined> {
  for (const { sequence, hash } of [...anchors].sort((left, right) => left.sequence - right.sequence)) {
    if (sequence <= prunedSequence) continue;
    if (sequence > headSequence) {
      const message = `the chain ends at entry ${headSequence}, but an anchor names entry ${sequence}: its end was cut off`;
      return { kind: "truncated", sequence: headSequence + 1, message };
    }
    const stored = await findHashAt(database.read, sequence);
    if (stored === undefined) return missing(sequence, sequence);
    if (stored !== hash) {
      const message = `entry ${sequence} is not the one that an anchor names: it or one before was changed`;
      return { kind: "changed", sequence, message };
    }
  }
  return undefined;
}

/** The place that verification goes on from: the beginning, or an entry whose hash an earlier page has verified. */
async function startAt(database: Database, chain: Chain, after: number | undefined) {
  const { sequence, hash } = chain.checkpoint;
  const start = { sequence, hash };
  if (after === undefined || after <= sequence) return start;
  const found = await findHashAt(database.read, after);
  return found === undefined ? start : { sequence: after, hash: found };
}

function judge(entry: SealedEntry, before: Anchor, chain: Chain): ChainProblem | undefined {
  const expected = before.sequence + 1;
  if (expected > chain.head.sequence) return inserted(entry.sequence);
  if (entry.sequence !== expected)
    return missing(expected, Math.min(entry.sequence - 1, chain.head.sequence));
  if (hashEntry(before.hash, entry, entry.sequence) === entry.hash) return undefined;
  const message = `entry ${entry.sequence} (${entry.action}) is not what it was when it was sealed`;
  return { kind: "changed", sequence: entry.sequence, message };
}

/** An anchor in the log itself must be the registry's and name an entry that is what it was. */
async function judgeAnchor(
  deps: { readonly database: Database; readonly signer: AuditSigner },
  entry: SealedEntry,
): Promise<ChainProblem | undefined> {
  if (entry.action !== "audit.anchor") return undefined;
  const detail: unknown = JSON.parse(entry.detail ?? "null");
  const { sequence, hash, atMs, signature } = isObject(detail) ? detail : {};
  const isWhole =
    typeof sequence === "number" &&
    typeof hash === "string" &&
    typeof atMs === "number" &&
    typeof signature === "string";
  const isOurs =
    isWhole && (await deps.signer.verify(statementOf("anchor", { sequence, hash, atMs }), signature));
  if (!isOurs) {
    const message = `the anchor in entry ${entry.sequence} is not signed by the registry`;
    return { kind: "forged", sequence: entry.sequence, message };
  }
  const stored = await findHashAt(deps.database.read, sequence);
  if (stored === undefined || stored === hash) return undefined;
  const message = `entry ${sequence} is not the one that the anchor in entry ${entry.sequence} names: it or one before was changed`;
  return { kind: "changed", sequence, message };
}

async function checkTail(database: Database, chain: Chain, last: Anchor): Promise<ChainProblem | undefined> {
  if (last.hash !== chain.head.hash) {
    const message = `the chain does not lead to its signed end: entry ${last.sequence} or one before was changed`;
    return { kind: "changed", sequence: last.sequence, message };
  }
  const [beyond] = await listSealedAfter(database.read, chain.head.sequence, 1);
  if (beyond === undefined) return undefined;
  // The sealer may have gone on meanwhile.
  const now = await findChain(database.read);
  return now !== undefined && beyond.sequence <= now.head.sequence ? undefined : inserted(beyond.sequence);
}

function inserted(sequence: number): ChainProblem {
  return {
    kind: "inserted",
    sequence,
    message: `entry ${sequence} stands behind the signed end of the chain: it was put in by somebody else`,
  };
}

function missing(from: number, to: number): ChainProblem {
  const message = from >= to ? `entry ${from} is missing` : `entries ${from} to ${to} are missing`;
  return { kind: "removed", sequence: from, message };
}
