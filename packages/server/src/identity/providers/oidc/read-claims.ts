import { AppError } from "../../../lib/app-error.ts";
import type { ProviderPerson } from "../provider.ts";
import type { OidcSettings } from "../provider-schema.ts";

/** RFC 8176, and what providers write: any of these is more than a password. */
const usualWords = ["mfa", "otp", "hwk", "swk", "fido", "sms", "tel", "mca"];

type Claims = Readonly<Record<string, unknown>>;

/** Who a verified token is about. `DENIED` when a claim that the settings require is missing or says something else. */
export function readClaims(settings: OidcSettings, claims: Claims): ProviderPerson {
  for (const [name, values] of Object.entries(settings.requiredClaims ?? {})) {
    const said = textsOf(claims, name);
    if (!values.some((value) => said.includes(value))) {
      throw new AppError(
        "DENIED",
        `accounts without the right ${JSON.stringify(name.slice(0, 80))} may not sign in here`,
      );
    }
  }
  const { sub } = claims;
  if (typeof sub !== "string" || sub === "")
    throw new AppError("DENIED", "the provider does not say who you are");
  const email = textOf(claims, "email");
  const [amr, acr] = [textsOf(claims, "amr"), textsOf(claims, "acr")];
  const { amr: strongAmr = [], acr: strongAcr = [] } = settings.secondFactor ?? {
    amr: usualWords,
    acr: usualWords,
  };
  const username = textOf(claims, settings.usernameClaim ?? "preferred_username") ?? email ?? sub;
  return {
    subject: sub,
    username,
    email,
    // Some providers write it as text.
    isEmailVerified: claims["email_verified"] === true || claims["email_verified"] === "true",
    fullName: textOf(claims, "name"),
    groups: settings.groupsClaim === undefined ? undefined : textsOf(claims, settings.groupsClaim),
    methods: [...amr, ...acr],
    isMfa: amr.some((word) => strongAmr.includes(word)) || acr.some((word) => strongAcr.includes(word)),
  };
}

function textOf(claims: Claims, name: string): string | undefined {
  const value = claims[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** A claim that is one text or several; a missing one is none. */
function textsOf(claims: Claims, name: string): readonly string[] {
  const value = claims[name];
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}
