import { toScopeJson } from "../../access/credential-scope.ts";
import { type Endpoint, endpoint, type Permission, type Request } from "../../http/endpoint.ts";
import { pageParameters } from "../../http/query-parameter.ts";
import { parsePage } from "../../lib/page.ts";
import { type FederationDeps, ruleName } from "./exchange-token.ts";
import {
  createTrustRule,
  deleteTrustRule,
  getTrustRule,
  listTrustRules,
  replaceTrustRule,
  type TrustRule,
  testTrustRule,
} from "./manage-trust-rules.ts";
import type { NewTrustRule, RuleTest, TrustRuleBody } from "./trust-rule-schema.ts";

const schemas = () => import("./trust-rule-schema.ts");
const limits = { defaultLimit: 100, maxLimit: 1_000 };

/** Trust rules of organizations, for those who administer them; and the registry's own, for administrators. */
export function trustRuleEndpoints(deps: FederationDeps): readonly Endpoint[] {
  return [
    ...endpointsAt(deps, {
      id: "trust-rules",
      base: "/api/v1/organizations/{namespace}/trust-rules",
      can: { who: "namespace", action: "admin" },
    }),
    ...endpointsAt(deps, {
      id: "system-trust-rules",
      base: "/api/v1/trust-rules",
      can: { who: "administrator" },
    }),
  ];
}

function endpointsAt(
  deps: FederationDeps,
  place: { readonly id: string; readonly base: string; readonly can: Permission },
): readonly Endpoint[] {
  const { id, base, can } = place;
  const homeOf = (request: Request) => request.params["namespace"];
  const nameOf = (request: Request) => request.params["rule"] ?? "";
  return [
    endpoint({
      id: `${id}.list`,
      method: "GET",
      path: base,
      can,
      query: pageParameters,
      summary: "Trust rules by name.",
      reply: async () => (await schemas()).trustRuleList,
      handle: async (_call, request) => {
        const page = parsePage(request.query, limits);
        const { rules, hasMore } = await listTrustRules(deps, homeOf(request), page);
        const last = rules.at(-1)?.name;
        const address = base.replace("{namespace}", encodeURIComponent(homeOf(request) ?? ""));
        const next =
          hasMore && last !== undefined
            ? `${address}?n=${page.limit}&last=${encodeURIComponent(last)}`
            : null;
        return { status: 200, body: { kind: "json", value: { rules: rules.map(shape), next } } };
      },
    }),
    endpoint({
      id: `${id}.create`,
      needsRecentSignIn: true,
      method: "POST",
      path: base,
      can,
      summary: "Trust an issuer's tokens with certain claims as a robot or issuer.",
      body: async () => (await schemas()).newTrustRule,
      reply: async () => (await schemas()).trustRuleReply,
      handle: async (call, request) => {
        const body = request.body as NewTrustRule; // as: checked against `body` before
        const rule = await createTrustRule(deps, call, homeOf(request), body);
        return { status: 201, body: { kind: "json", value: shape(rule) } };
      },
    }),
    endpoint({
      id: `${id}.get`,
      method: "GET",
      path: `${base}/{rule}`,
      can,
      summary: "One trust rule.",
      reply: async () => (await schemas()).trustRuleReply,
      handle: async (_call, request) => {
        const rule = await getTrustRule(deps, homeOf(request), nameOf(request));
        return { status: 200, body: { kind: "json", value: shape(rule) } };
      },
    }),
    endpoint({
      id: `${id}.replace`,
      needsRecentSignIn: true,
      method: "PUT",
      path: `${base}/{rule}`,
      can,
      summary: "Replace what a trust rule says; credentials that were got by it end.",
      body: async () => (await schemas()).trustRuleBody,
      reply: async () => (await schemas()).trustRuleReply,
      handle: async (call, request) => {
        const body = request.body as TrustRuleBody; // as: checked against `body` before
        const rule = await replaceTrustRule(deps, call, homeOf(request), nameOf(request), body);
        return { status: 200, body: { kind: "json", value: shape(rule) } };
      },
    }),
    endpoint({
      id: `${id}.delete`,
      method: "DELETE",
      path: `${base}/{rule}`,
      can,
      summary: "Delete a trust rule and every credential that was got by it.",
      handle: async (call, request) => {
        await deleteTrustRule(deps, call, homeOf(request), nameOf(request));
        return { status: 204 };
      },
    }),
    endpoint({
      id: `${id}.test`,
      method: "POST",
      path: `${base}/{rule}/tests`,
      can,
      summary: "What the rule says of a token, and why; nothing is given for it.",
      body: async () => (await schemas()).ruleTest,
      reply: async () => (await schemas()).ruleTestReply,
      handle: async (call, request) => {
        const { token } = request.body as RuleTest; // as: checked against `body` before
        const value = await testTrustRule(deps, call, homeOf(request), nameOf(request), token);
        return { status: 200, body: { kind: "json", value } };
      },
    }),
  ];
}

function shape(rule: TrustRule) {
  return {
    name: rule.name,
    fullName: ruleName(rule),
    issuer: rule.issuer,
    jwksUrl: rule.jwksUrl ?? null,
    keys: rule.keys ?? null,
    certificateAuthority: rule.certificateAuthority ?? null,
    audience: rule.audience,
    claims: rule.claims,
    subject: rule.subject,
    scopes: rule.scopes?.map(toScopeJson) ?? null,
    maxLifetimeSeconds: rule.maxLifetimeSeconds,
    isOneTime: rule.isOneTime,
    isDisabled: rule.isDisabled,
    createdAtMs: rule.createdAtMs,
    createdBy: rule.createdBy,
    lastUsedAtMs: rule.lastUsedAtMs ?? null,
  };
}
