import { createServer, type RequestListener } from "node:http";
import type { TestContext } from "node:test";
import { exportJWK, generateKeyPair } from "jose";

export interface OidcAccount {
  readonly email: string;
  readonly email_verified: boolean;
  readonly preferred_username: string;
  readonly name?: string;
  readonly groups?: readonly string[];
}

/** A certified OpenID provider, run by the test; whoever types a name of `accounts` is that account. */
export interface TestOidc {
  readonly issuer: string;
  /** Changes with the test; by subject. */
  readonly accounts: Map<string, OidcAccount>;
}

export const oidcClient = { clientId: "entrepot", clientSecret: "a-secret-of-the-registry-and-the-provider" };

export async function startOidc(
  t: TestContext,
  redirectUris: readonly string[],
  accounts: Readonly<Record<string, OidcAccount>>,
): Promise<TestOidc> {
  // It says that it is not set up for production, which is so.
  t.mock.method(console, "warn", () => undefined);
  t.mock.method(console, "info", () => undefined);
  const known = new Map(Object.entries(accounts));
  let listener: RequestListener | undefined;
  const issuer = await listen(t, (request, response) => listener?.(request, response));
  const { default: Provider } = await import("oidc-provider");
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: oidcClient.clientId,
        client_secret: oidcClient.clientSecret,
        redirect_uris: [...redirectUris],
        post_logout_redirect_uris: redirectUris.map((uri) => `${new URL(uri).origin}/`),
      },
    ],
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: "RS256", use: "sig", kid: "one" }] },
    claims: {
      openid: ["sub"],
      email: ["email", "email_verified"],
      profile: ["name", "preferred_username"],
      groups: ["groups"],
    },
    scopes: ["openid", "email", "profile", "groups"],
    conformIdTokenClaims: false,
    cookies: { keys: ["a key of the test"] },
    pkce: { required: () => true },
    findAccount: (_context: unknown, id: string) => {
      const account = known.get(id);
      return account === undefined ? undefined : { accountId: id, claims: () => ({ sub: id, ...account }) };
    },
  });
  listener = provider.callback();
  return { issuer, accounts: known };
}

/** Serves until the test ends; the origin. */
export async function listen(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  t.after(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return `http://127.0.0.1:${address.port}`;
}
