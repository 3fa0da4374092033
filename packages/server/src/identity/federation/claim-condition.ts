import { isObject } from "@entrepot/oci/json-object";
import { matchesWildcards } from "@entrepot/oci/path-pattern";
import { AppError } from "../../lib/app-error.ts";

/**
 * What one claim of a token must be. `claim` is its name ("repository"), or a JSON Pointer (RFC 6901) to one inside another: "/kubernetes.io/namespace".
 * Exactly one of `equals` and `matches` is set; in `matches`, `*` stands for any characters, slashes and colons included. Of a list, one entry must
 * fit.
 */
export interface ClaimCondition {
  readonly claim: string;
  readonly equals?: string | undefined;
  readonly matches?: string | undefined;
}

const maxWildcards = 16;
/** What every token of an issuer has, and its own checks look at: no condition that tells one from the other. */
const checkedElsewhere = new Set(["iss", "aud", "exp", "nbf", "iat"]);

/** `REQUEST_INVALID` for conditions that say nothing, so that a slip does not let everybody at the issuer in. */
export function checkConditions(conditions: readonly ClaimCondition[]): void {
  for (const { claim, equals, matches } of conditions) {
    const name = JSON.stringify(claim.slice(0, 80));
    if ((equals === undefined) === (matches === undefined)) {
      throw new AppError("REQUEST_INVALID", `the claim ${name} needs either \`equals\` or \`matches\``);
    }
    if (checkedElsewhere.has(claim)) {
      throw new AppError(
        "REQUEST_INVALID",
        `the claim ${name} is checked in any case; name one that tells tokens apart`,
      );
    }
    if (matches !== undefined && (/^\**$/.test(matches) || matches.split("*").length > maxWildcards + 1)) {
      throw new AppError(
        "REQUEST_INVALID",
        `the claim ${name} matches everything, or has more than ${maxWildcards} wildcards`,
      );
    }
    if (claim.startsWith("/") && /~(?![01])/.test(claim)) {
      throw new AppError("REQUEST_INVALID", `the claim ${name} is no JSON Pointer`);
    }
  }
}

/** Whether the claim is there and fits. Numbers and truth values are compared as they are written in JSON; an object never fits. */
export function holds(condition: ClaimCondition, payload: Readonly<Record<string, unknown>>): boolean {
  const value = claimIn(payload, condition.claim);
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.some((one) => {
    const text = typeof one === "number" || typeof one === "boolean" ? String(one) : one;
    if (typeof text !== "string") return false;
    return condition.equals === undefined
      ? matchesWildcards(condition.matches ?? "", text)
      : text === condition.equals;
  });
}

function claimIn(payload: Readonly<Record<string, unknown>>, claim: string): unknown {
  const path = claim.startsWith("/")
    ? claim
        .slice(1)
        .split("/")
        .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    : [claim];
  let value: unknown = payload;
  for (const part of path) {
    // Own properties only: "constructor" is nobody's claim.
    if (!isObject(value) || !Object.hasOwn(value, part)) return undefined;
    value = value[part];
  }
  return value;
}
