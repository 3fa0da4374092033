import { tryParseRepositoryName } from "@entrepot/oci/repository-name";
import type { UserActor } from "../../access/actor.ts";
import type { MfaPlace } from "../../http/check-sign-in.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { findFactors, hasSecondFactor } from "./find-factors.ts";
import { isMemberWhereMfaIsRequired, isMfaRequiredIn } from "./mfa-policy-store.ts";

/**
 * Keeps those who must have a second factor, and have shown none, from doing anything on the management API but setting one up: `MFA_REQUIRED`, with
 * what to do. Robots and other accounts of programs have none. A token counts as made by somebody with a second factor when its owner has signed
 * in with one since they were last without.
 */
export function createMfaPolicy(deps: IdentityDeps): (actor: UserActor, place: MfaPlace) => Promise<void> {
  async function isRequired(actor: UserActor, place: MfaPlace): Promise<boolean> {
    const { requiredOf } = deps.mfa;
    if (requiredOf === "everybody") return true;
    if (requiredOf === "administrators" && (actor.isAdmin || actor.isAuditor)) return true;
    const namespace = place.namespace ?? namespaceOf(place.repository, deps.defaultNamespace);
    // What can be no name is nobody's, and need not be looked up.
    if (namespace !== undefined && tryParseRepositoryName(namespace) !== undefined) {
      const { found } = await deps.cache.get(`mfa-required ${namespace}`, async () => ({
        found: await isMfaRequiredIn(deps.database.read, namespace),
      }));
      if (found) return true;
    }
    if (!place.isEverywhere) return false;
    const { found } = await deps.cache.get(`mfa-member ${actor.userId}`, async () => ({
      found: await isMemberWhereMfaIsRequired(deps.database.read, actor.userId),
    }));
    return found;
  }

  return async (actor, place) => {
    if (actor.account !== "person" || actor.mfaAtMs !== undefined) return;
    if (!(await isRequired(actor, place))) return;
    const factors = await findFactors(deps, actor.userId);
    const isToken = actor.credential !== "session" && actor.credential !== "password";
    if (isToken && factors.mfaAtMs !== undefined) return;
    throw new AppError(
      "MFA_REQUIRED",
      hasSecondFactor(factors)
        ? "show your second factor first: POST /api/v1/session/step-up"
        : "a second factor is required here; set one up first: POST /api/v1/me/mfa/totp",
    );
  };
}

/** A name with a single component lies in the default namespace. */
function namespaceOf(repository: string | undefined, defaultNamespace: string): string | undefined {
  if (repository === undefined) return undefined;
  const slash = repository.indexOf("/");
  return slash < 0 ? defaultNamespace : repository.slice(0, slash);
}
