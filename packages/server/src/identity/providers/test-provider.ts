import type { Call } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { getProvider } from "./manage-providers.ts";
import type { Providers } from "./open-providers.ts";
import type { ProviderPerson } from "./provider.ts";

export interface ProviderTest {
  readonly ok: boolean;
  /** What was found, in words for the provider's administrator. */
  readonly message: string;
  readonly person: ProviderPerson | undefined;
}

/**
 * Tries a provider, enabled or not: whether it answers and what it is set up with is there; with a name and password also whether it knows them and
 * what it says of them. Makes no user and signs nobody in. `NOT_FOUND`.
 */
export async function testProvider(
  deps: IdentityDeps,
  providers: Providers,
  call: Call,
  name: string,
  login: { readonly username?: string; readonly password?: string },
): Promise<ProviderTest> {
  const provider = await getProvider(deps, name);
  const { username, password } = login;
  try {
    return await providers.use(provider, call.signal, async (opened, signal) => {
      const message = await opened.probe(signal);
      if (username === undefined || password === undefined) return { ok: true, message, person: undefined };
      if (opened.how !== "password")
        return { ok: true, message: `${message}; it takes no passwords here`, person: undefined };
      const person = await opened.checkPassword(username, password, signal);
      if (person !== undefined)
        return { ok: true, message: `${message}; it knows ${person.username}`, person };
      return { ok: false, message: `${message}; the name or the password is wrong there`, person: undefined };
    });
  } catch (error) {
    call.signal.throwIfAborted();
    return { ok: false, message: reasonOf(error), person: undefined };
  }
}

/** For administrators: the innermost reason. Libraries name hosts, codes and certificates, never passwords. */
function reasonOf(error: unknown): string {
  const reason = error instanceof AppError && error.cause !== undefined ? error.cause : error;
  if (!(reason instanceof Error)) return "the provider cannot be used";
  const [line = ""] = reason.message.split("\n");
  const code = "code" in reason && typeof reason.code === "string" ? ` (${reason.code})` : "";
  return `${line.slice(0, 300) || reason.name}${code}`;
}
