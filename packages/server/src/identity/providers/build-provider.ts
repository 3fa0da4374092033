import { AppError } from "../../lib/app-error.ts";
import { assertNever } from "../../lib/assert-never.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { PasswordProvider, RedirectProvider } from "./provider.ts";
import type {
  ExternalJwtSettings,
  GithubSettings,
  GoogleSettings,
  KeystoneSettings,
  LdapSettings,
  OidcSettings,
} from "./provider-schema.ts";
import type { SignInProvider } from "./provider-store.ts";

export interface ProviderSecrets {
  readonly clientSecret?: string;
  readonly bindPassword?: string;
}

/** A provider that can be used, from what its administrators have said. Its protocol's code is loaded now. Makes no connection. */
export async function buildProvider(
  deps: Pick<IdentityDeps, "outgoing" | "secretBox" | "clock">,
  provider: SignInProvider,
): Promise<PasswordProvider | RedirectProvider> {
  const { kind, settings } = provider;
  const { clientSecret, bindPassword } = openSecrets(deps, provider);
  // as, below: the schema of the kind was checked before the row was written.
  switch (kind) {
    case "ldap": {
      const { createLdapProvider } = await import("./ldap/create-ldap-provider.ts");
      return createLdapProvider(settings as LdapSettings, bindPassword);
    }
    case "keystone": {
      const { createKeystoneProvider } = await import("./keystone/create-keystone-provider.ts");
      return createKeystoneProvider(deps, settings as KeystoneSettings);
    }
    case "external-jwt": {
      const { createExternalJwtProvider } = await import("./external-jwt/create-external-jwt-provider.ts");
      return createExternalJwtProvider(deps, settings as ExternalJwtSettings);
    }
    case "oidc": {
      const { createOidcProvider } = await import("./oidc/create-oidc-provider.ts");
      return createOidcProvider(deps, settings as OidcSettings, clientSecret);
    }
    case "google": {
      const { createOidcProvider } = await import("./oidc/create-oidc-provider.ts");
      const { googleAsOidc } = await import("./oidc/google-as-oidc.ts");
      return createOidcProvider(deps, googleAsOidc(settings as GoogleSettings), clientSecret);
    }
    case "github": {
      const { createGithubProvider } = await import("./github/create-github-provider.ts");
      return createGithubProvider(deps, settings as GithubSettings, clientSecret);
    }
    default:
      return assertNever(kind);
  }
}

/** Opens what was sealed. `UNAVAILABLE` when it was sealed with a key that is not configured any more. */
export function openSecrets(
  deps: Pick<IdentityDeps, "secretBox">,
  provider: Pick<SignInProvider, "name" | "secrets">,
): ProviderSecrets {
  if (provider.secrets === undefined) return {};
  try {
    const text = deps.secretBox.open(provider.secrets, secretsContext(provider.name));
    return JSON.parse(text) as ProviderSecrets; // as: sealed by `sealSecrets`
  } catch (cause) {
    throw new AppError("UNAVAILABLE", `the secrets of ${provider.name} cannot be opened; set them again`, {
      cause,
    });
  }
}

export function sealSecrets(
  deps: Pick<IdentityDeps, "secretBox">,
  name: string,
  secrets: ProviderSecrets,
): string | undefined {
  if (Object.keys(secrets).length === 0) return undefined;
  return deps.secretBox.seal(JSON.stringify(secrets), secretsContext(name));
}

/** What the secrets of a provider are sealed for. */
export function secretsContext(name: string): string {
  return `sign-in provider ${name}`;
}
