import { createPublicKey } from "node:crypto";
import {
  createRemoteJWKSet,
  customFetch,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from "jose";
import { AppError } from "../../../lib/app-error.ts";
import type { IdentityDeps } from "../../identity-deps.ts";
import { createOutgoingFetch } from "../outgoing-fetch.ts";
import type { PasswordProvider, ProviderPerson } from "../provider.ts";
import { createAskProvider } from "../provider-request.ts";
import type { ExternalJwtSettings } from "../provider-schema.ts";

const algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];
const defaultAudience = "quay.io/jwtauthn";
const defaultMaxAgeSeconds = 300;
const clockToleranceSeconds = 30;

/**
 * Three endpoints of one's own that answer `{"token": JWT}`: `verify` takes name and password as Basic (200 or a refusal), `getuser?username=` says
 * whether somebody is there, `query?query=&limit=` finds people. Every answer is signed with the pinned key, for its own audience, and fresh; so
 * nobody between us and it signs people in, and an answer of one endpoint is none of another's.
 */
export function createExternalJwtProvider(
  deps: Pick<IdentityDeps, "outgoing" | "clock">,
  settings: ExternalJwtSettings,
): PasswordProvider {
  const ask = createAskProvider(deps.outgoing, settings);
  const audience = settings.audience ?? defaultAudience;
  const key = keyOf(deps, settings);

  /** What the token in the answer says; undefined when the answer is a refusal. */
  async function claimsOf(
    url: string,
    expected: string,
    options: { readonly headers?: Readonly<Record<string, string>>; readonly signal: AbortSignal },
  ): Promise<JWTPayload | undefined> {
    const { status, json } = await ask(url, options);
    // Whatever is wrong with what was asked, it is the asker's.
    if (status >= 400 && status < 500) return undefined;
    const token = json["token"];
    if (status !== 200 || typeof token !== "string")
      throw new Error(`the endpoint answers ${status} without a token`);
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms,
        issuer: settings.issuer,
        audience: expected,
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(deps.clock.nowMs()),
        maxTokenAge: settings.maxAgeSeconds ?? defaultMaxAgeSeconds,
        requiredClaims: ["exp", "iat"],
      });
      return payload;
    } catch (cause) {
      if (!(cause instanceof errors.JOSEError)) throw cause;
      throw new AppError(
        "UNAVAILABLE",
        "the endpoint's answer is not signed as it must be, or is for somebody else",
        {
          cause,
        },
      );
    }
  }

  const getUser = async (username: string, signal: AbortSignal): Promise<JWTPayload | undefined> => {
    const { getUserUrl } = settings;
    if (getUserUrl === undefined) return undefined;
    return claimsOf(withQuery(getUserUrl, { username }), `${audience}/getuser`, { signal });
  };

  return {
    how: "password",
    async checkPassword(username, password, signal) {
      // RFC 7617: a colon would end the name.
      if (username.includes(":")) return undefined;
      const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
      const payload = await claimsOf(settings.verifyUrl, audience, { headers: { authorization }, signal });
      return payload === undefined ? undefined : toPerson(payload);
    },
    async probe(signal) {
      // Asked without a name, so a refusal is the answer of a sound endpoint.
      const { status } = await ask(settings.verifyUrl, { signal });
      if (status < 400 || status === 404) throw new Error(`the verify endpoint answers ${status} to nobody`);
      if (settings.queryUrl !== undefined) {
        const query = withQuery(settings.queryUrl, { query: "a", limit: "1" });
        await claimsOf(query, `${audience}/query`, { signal });
      }
      return "the endpoints answer";
    },
    readDirectory:
      settings.getUserUrl === undefined
        ? undefined
        : async ({ known }, signal) => {
            const people: ProviderPerson[] = [];
            for (const { subject, username } of known) {
              signal.throwIfAborted();
              const payload = await getUser(username, signal);
              if (payload?.sub === subject) people.push(toPerson(payload));
            }
            // An answer has all groups of its person, or says nothing of them.
            return { people, missingGroups: [] };
          },
  };
}

function toPerson(payload: JWTPayload): ProviderPerson {
  const { sub, email, name, groups } = payload;
  if (sub === undefined || sub === "") throw new Error("the endpoint's answer says nobody's name");
  return {
    subject: sub,
    username: sub,
    email: typeof email === "string" ? email : undefined,
    isEmailVerified: payload["email_verified"] === true,
    fullName: typeof name === "string" ? name : undefined,
    groups: Array.isArray(groups) ? groups.filter((one) => typeof one === "string") : undefined,
    methods: ["pwd"],
  };
}

function keyOf(deps: Pick<IdentityDeps, "outgoing">, settings: ExternalJwtSettings): JWTVerifyGetKey {
  const { certificate, jwksUrl, timeoutSeconds = 5 } = settings;
  if (certificate !== undefined) {
    const key = createPublicKey(certificate);
    return async () => key;
  }
  if (jwksUrl === undefined) throw new AppError("UNAVAILABLE", "there is no key to check the answers with");
  const fetch = createOutgoingFetch(deps.outgoing, timeoutSeconds * 1_000);
  return createRemoteJWKSet(new URL(jwksUrl), {
    timeoutDuration: timeoutSeconds * 1_000,
    [customFetch]: (url, init) => fetch(url, init),
  });
}

function withQuery(address: string, values: Readonly<Record<string, string>>): string {
  const url = new URL(address);
  for (const [name, value] of Object.entries(values)) url.searchParams.set(name, value);
  return url.href;
}
