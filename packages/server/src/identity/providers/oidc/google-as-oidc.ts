import type { GoogleSettings, OidcSettings } from "../provider-schema.ts";

export const googleIssuer = "https://accounts.google.com";

/**
 * Google by OpenID Connect. `hd` in the request only chooses what Google's page offers; what counts is the claim of the same name, which Google sets for
 * Workspace accounts alone (https://developers.google.com/identity/openid-connect/openid-connect#hd-param).
 */
export function googleAsOidc(settings: GoogleSettings): OidcSettings {
  const { clientId, hostedDomains, timeoutSeconds, allowPlainHttp } = settings;
  const [only] = hostedDomains ?? [];
  return {
    issuer: settings.issuer ?? googleIssuer,
    clientId,
    clientAuthentication: "client_secret_post",
    usernameClaim: "email",
    ...(hostedDomains === undefined
      ? {}
      : {
          requiredClaims: { hd: hostedDomains },
          parameters: { hd: hostedDomains.length === 1 && only !== undefined ? only : "*" },
        }),
    ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
    ...(allowPlainHttp === undefined ? {} : { allowPlainHttp }),
  };
}
