import { AppError } from "../../lib/app-error.ts";
import { newSecret } from "../../lib/ids.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { createUser } from "./create-user.ts";
import { hasAnyUser } from "./user-store.ts";

const generatedLength = 24;

/**
 * Creates the first administrator when there is no user at all; undefined when there is one. The password is generated unless configured, and is
 * told only here. A configured password that was changed later changes nobody's: whoever could edit the configuration would sign in as an
 * administrator, and a forgotten old setting would undo a password changed for a reason. `entrepot admin create --reset` is the way back in.
 * Safe when several instances start at once: one creates, the others find it. Errors as `createUser`.
 */
export async function ensureFirstAdministrator(
  deps: IdentityDeps,
  first: { readonly username: string; readonly password: string | undefined },
): Promise<{ readonly username: string; readonly generatedPassword: string | undefined } | undefined> {
  if (await hasAnyUser(deps.database.read)) return undefined;
  const generatedPassword = first.password === undefined ? newPassword() : undefined;
  try {
    await createUser(deps, {
      username: first.username,
      password: first.password ?? generatedPassword ?? "",
      isAdmin: true,
    });
  } catch (error) {
    // Another instance was first; unless the name is taken by something that is no user.
    const isTaken = error instanceof AppError && error.code === "ALREADY_EXISTS";
    if (isTaken && (await hasAnyUser(deps.database.read))) return undefined;
    throw error;
  }
  return { username: first.username, generatedPassword };
}

/** 144 random bits. */
function newPassword(): string {
  return newSecret().slice(0, generatedLength);
}
