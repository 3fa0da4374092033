import { createPublicKey, X509Certificate } from "node:crypto";
import { AppError } from "../../lib/app-error.ts";
import type { ProviderBody } from "./provider-schema.ts";

/**
 * Checks what the schema cannot: that passwords and tokens travel encrypted unless an administrator says otherwise, that certificates and filters are
 * such, that nothing contradicts itself. `REQUEST_INVALID` with a sentence for who wrote it.
 */
export async function checkSettings(body: ProviderBody): Promise<void> {
  switch (body.kind) {
    case "ldap":
      return checkLdap(body.settings);
    case "keystone":
      return checkUrls(body.settings, [body.settings.url]);
    case "external-jwt": {
      const { verifyUrl, queryUrl, getUserUrl, jwksUrl, certificate } = body.settings;
      checkUrls(body.settings, [verifyUrl, queryUrl, getUserUrl, jwksUrl]);
      if ((certificate === undefined) === (jwksUrl === undefined)) {
        throw invalid("name either a certificate or a jwksUrl that the answers are signed with");
      }
      if (certificate !== undefined) checkKey(certificate);
      return;
    }
    case "oidc": {
      const { parameters = {} } = body.settings;
      const reserved = Object.keys(parameters).find((name) => ownParameters.has(name));
      if (reserved !== undefined) throw invalid(`the parameter ${reserved} is ours to set`);
      return checkUrls(body.settings, [body.settings.issuer]);
    }
    case "google":
      return checkUrls(body.settings, [body.settings.issuer]);
    case "github":
      return checkUrls(body.settings, [body.settings.url, body.settings.apiUrl]);
  }
}

const ownParameters = new Set([
  "client_id",
  "redirect_uri",
  "response_type",
  "response_mode",
  "state",
  "nonce",
  "scope",
  "code_challenge",
  "code_challenge_method",
  "request",
  "request_uri",
]);

async function checkLdap(settings: Extract<ProviderBody, { kind: "ldap" }>["settings"]): Promise<void> {
  const isLdaps = settings.url.startsWith("ldaps:");
  if (isLdaps && settings.startTls === true) throw invalid("ldaps needs no startTls");
  if (!isLdaps && settings.startTls !== true && settings.allowPlainText !== true) {
    throw invalid("use ldaps:// or startTls, or say allowPlainText: passwords would travel unencrypted");
  }
  if (settings.caCertificate !== undefined) checkCertificate(settings.caCertificate);
  const { groups } = settings;
  if (groups?.from === "user-attribute" && (groups.bases ?? groups.filter ?? groups.holds) !== undefined) {
    throw invalid("groups from an attribute of users have no bases, filter or holds");
  }
  const { FilterParser } = await import("ldapts");
  for (const filter of [settings.userFilter, groups?.filter]) {
    if (filter === undefined) continue;
    try {
      FilterParser.parseString(filter);
    } catch (cause) {
      throw invalid(`this is no filter: ${filter.slice(0, 100)}`, cause);
    }
  }
}

function checkUrls(
  settings: { readonly allowPlainHttp?: boolean },
  urls: readonly (string | undefined)[],
): void {
  for (const text of urls) {
    if (text === undefined) continue;
    if (!URL.canParse(text)) throw invalid(`this is no address: ${text.slice(0, 100)}`);
    const url = new URL(text);
    if (url.username !== "" || url.password !== "")
      throw invalid("an address has no user name or password in it");
    if (url.protocol === "http:" && settings.allowPlainHttp !== true) {
      throw invalid("use https://, or say allowPlainHttp: passwords and tokens would travel unencrypted");
    }
  }
}

function checkCertificate(pem: string): void {
  try {
    new X509Certificate(pem);
  } catch (cause) {
    throw invalid("caCertificate is no certificate in PEM", cause);
  }
}

function checkKey(pem: string): void {
  try {
    createPublicKey(pem);
  } catch (cause) {
    throw invalid("certificate is no certificate or public key in PEM", cause);
  }
}

function invalid(problem: string, cause?: unknown): AppError {
  return new AppError("REQUEST_INVALID", problem, cause === undefined ? {} : { cause });
}
