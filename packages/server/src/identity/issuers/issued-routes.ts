import { toScopeJson } from "../../access/credential-scope.ts";
import { type Call, type Endpoint, endpoint, type Request } from "../../http/endpoint.ts";
import { pageParameters, type QueryParameter } from "../../http/query-parameter.ts";
import { AppError } from "../../lib/app-error.ts";
import { nextPage, parsePage } from "../../lib/page.ts";
import { credentialFormats, credentialReply } from "../credentials/credential-reply.ts";
import { pathId } from "../credentials/path-id.ts";
import { readUsage } from "../credentials/read-usage.ts";
import { usageParameters } from "../credentials/usage-reply.ts";
import { shapeLimits } from "../credentials/use-limits.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { issueCredential } from "./issue-credential.ts";
import type { IssuedPatch, IssuedRotation, NewIssuedCredential } from "./issued-schema.ts";
import {
  type CredentialSecret,
  changeIssued,
  getIssued,
  getIssuedSecrets,
  type IssuedCredential,
  listIssuedPage,
  revokeByLabel,
  revokeIssued,
  revokeIssuedSecret,
  rotateIssued,
} from "./manage-issued.ts";

const schemas = () => import("./issued-schema.ts");

const limits = { defaultLimit: 100, maxLimit: 1_000 };
const collection = "/api/v1/issued-credentials";
const item = `${collection}/{id}`;
const issuer = { who: "issuer" } as const;

const label: QueryParameter = {
  name: "label",
  form: "text",
  maxLength: 264,
  pattern: "^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}=",
  description: "name=value",
};

/** What an issuer can do: look after the credentials that it has issued. */
export function issuedEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    ...collectionEndpoints(deps),
    ...itemEndpoints(deps),
    ...secretEndpoints(deps),
    ...usageEndpoints(deps),
  ];
}

function collectionEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "issued-credentials.list",
      method: "GET",
      path: collection,
      can: issuer,
      summary: "Credentials that the caller has issued, in the order in which they were made.",
      query: [
        ...pageParameters,
        label,
        { name: "externalId", form: "text", maxLength: 200, description: "the one of that external id" },
        { name: "expiringBefore", form: "integer", description: "only what expires before that time in ms" },
        { name: "unusedSince", form: "integer", description: "only what was not used since that time in ms" },
      ],
      reply: async () => (await schemas()).issuedList,
      handle: async (call, { query }) => {
        const page = parsePage(query, limits);
        const filter = {
          label: labelOf(query),
          externalId: query.get("externalId") ?? undefined,
          expiringBeforeMs: numberOf(query, "expiringBefore"),
          unusedSinceMs: numberOf(query, "unusedSince"),
        };
        const { credentials, hasMore } = await listIssuedPage(deps, issuerOf(call), filter, page);
        const next = nextPage(`${collection}${filterQuery(query)}`, page, {
          hasMore,
          lastKey: credentials.at(-1)?.userId.toString(),
        });
        const value = { credentials: credentials.map((credential) => shape(credential)), next };
        return { status: 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "issued-credentials.create",
      method: "POST",
      path: collection,
      can: issuer,
      summary:
        "Issue a credential; its secret is in this reply and never again. Asked again for the same `externalId`, the one that is there, without its secret.",
      query: credentialFormats,
      body: async () => (await schemas()).newIssuedCredential,
      reply: async () => (await schemas()).createdIssued,
      handle: async (call, request) => {
        const body = request.body as NewIssuedCredential; // as: checked against `body` before
        const { credential, secret } = await issueCredential(deps, call, issuerOf(call), body);
        const value = { credential: shape(credential) };
        if (secret === undefined) return { status: 200, body: { kind: "json", value } };
        return credentialReply(request, 201, { username: credential.username, secret, value });
      },
    }),
    endpoint({
      id: "issued-credentials.revoke-by-label",
      method: "DELETE",
      path: collection,
      can: issuer,
      summary: "Revoke every credential that has the label.",
      query: [{ ...label, isRequired: true }],
      reply: async () => (await schemas()).revokedByLabel,
      handle: async (call, { query }) => {
        const asked = labelOf(query);
        if (asked === undefined) throw new AppError("REQUEST_INVALID", "`label` is missing");
        const revoked = await revokeByLabel(deps, call, issuerOf(call), asked);
        return { status: 200, body: { kind: "json", value: { revoked } } };
      },
    }),
  ];
}

function itemEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "issued-credentials.get",
      method: "GET",
      path: item,
      can: issuer,
      summary: "One credential that the caller has issued.",
      reply: async () => (await schemas()).issuedReply,
      handle: async (call, request) => {
        const credential = await getIssued(deps, issuerOf(call), publicIdOf(request));
        const value = shape(credential, await getIssuedSecrets(deps, credential));
        return { status: 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "issued-credentials.update",
      method: "PATCH",
      path: item,
      can: issuer,
      summary: "Change what a credential carries, within the box, and what is known of its holder.",
      body: async () => (await schemas()).issuedPatch,
      reply: async () => (await schemas()).issuedReply,
      handle: async (call, request) => {
        const change = request.body as IssuedPatch; // as: checked against `body` before
        const value = shape(await changeIssued(deps, call, issuerOf(call), publicIdOf(request), change));
        return { status: 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "issued-credentials.revoke",
      method: "DELETE",
      path: item,
      can: issuer,
      summary: "Revoke a credential with its account, and all that was got with it.",
      handle: async (call, request) => {
        await revokeIssued(deps, call, issuerOf(call), publicIdOf(request));
        return { status: 204 };
      },
    }),
  ];
}

function secretEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "issued-credentials.rotate",
      method: "POST",
      path: `${item}/rotate`,
      can: issuer,
      summary:
        "Give a credential a new secret; the old one stays good for `graceSeconds`, a day when absent.",
      query: credentialFormats,
      body: async () => (await schemas()).issuedRotation,
      reply: async () => (await schemas()).createdIssued,
      handle: async (call, request) => {
        const body = request.body as IssuedRotation; // as: checked against `body` before
        const rotated = await rotateIssued(deps, call, issuerOf(call), publicIdOf(request), body);
        const { credential, secret } = rotated;
        const value = { credential: shape(credential) };
        return credentialReply(request, 200, { username: credential.username, secret, value });
      },
    }),
    endpoint({
      id: "issued-credentials.revoke-secret",
      method: "DELETE",
      path: `${item}/secrets/{secret}`,
      can: issuer,
      summary: "End one of the two secrets of a credential.",
      handle: async (call, request) => {
        const id = publicIdOf(request);
        await revokeIssuedSecret(deps, call, issuerOf(call), id, pathId(request, "secret"));
        return { status: 204 };
      },
    }),
  ];
}

function usageEndpoints(deps: IdentityDeps): readonly Endpoint[] {
  const usageSchema = async () => (await import("../access-tokens/access-token-schema.ts")).usageList;
  return [
    endpoint({
      id: "issued-credentials.usage",
      method: "GET",
      path: `${item}/usage`,
      can: issuer,
      summary: "What a credential was used for, by day and repository.",
      query: usageParameters,
      reply: usageSchema,
      handle: async (call, request) => {
        const { token } = await getIssued(deps, issuerOf(call), publicIdOf(request));
        const value = await readUsage(deps, { accessTokenId: token.id }, request.query);
        return { status: 200, body: { kind: "json", value } };
      },
    }),
    endpoint({
      id: "issued-credentials.usage-sum",
      method: "GET",
      path: `${collection}/-/usage`,
      can: issuer,
      summary:
        "What all credentials of the caller, or those with a label, were used for, by day and repository.",
      query: [label, ...usageParameters],
      reply: usageSchema,
      handle: async (call, { query }) => {
        const subject = { issuerUserId: issuerOf(call), label: labelOf(query) };
        const value = await readUsage(deps, subject, query);
        return { status: 200, body: { kind: "json", value } };
      },
    }),
  ];
}

function issuerOf({ actor }: Call): number {
  if (actor.kind !== "user") throw new AppError("UNAUTHORIZED", "sign in first");
  return actor.userId;
}

function publicIdOf(request: Request): string {
  const id = request.params["id"] ?? "";
  if (!/^[A-Za-z0-9_-]{22}$/.test(id)) throw new AppError("NOT_FOUND", "there is no such credential");
  return id;
}

function numberOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  return text === null ? undefined : Number(text);
}

function labelOf(query: URLSearchParams): { readonly name: string; readonly value: string } | undefined {
  const text = query.get("label");
  if (text === null) return undefined;
  const at = text.indexOf("=");
  return { name: text.slice(0, at), value: text.slice(at + 1) };
}

/** The filters of a listing, for the address of its next page. */
function filterQuery(query: URLSearchParams): string {
  const kept = new URLSearchParams();
  for (const name of ["label", "expiringBefore", "unusedSince"]) {
    const value = query.get(name);
    if (value !== null) kept.set(name, value);
  }
  return kept.size === 0 ? "" : `?${kept.toString()}`;
}

function shape(credential: IssuedCredential, secrets?: readonly CredentialSecret[]) {
  const { token } = credential;
  return {
    id: token.publicId,
    username: credential.username,
    externalId: credential.externalId ?? null,
    description: credential.description,
    metadata: credential.metadata,
    labels: credential.labels,
    isDisabled: credential.isDisabled,
    scopes: (token.scopes ?? []).map(toScopeJson),
    networks: token.networks?.map(({ text }) => text) ?? null,
    createdAtMs: token.createdAtMs,
    notBeforeMs: token.notBeforeMs ?? null,
    expiresAtMs: token.expiresAtMs ?? null,
    lastUsedAtMs: token.lastUsedAtMs ?? null,
    lastUsedAddress: token.lastUsedAddress ?? null,
    ...shapeLimits(token.limits),
    ...(secrets === undefined
      ? {}
      : {
          secrets: secrets.map(({ id, createdAtMs, expiresAtMs }) => ({
            id,
            createdAtMs,
            expiresAtMs: expiresAtMs ?? null,
          })),
        }),
  };
}
