import { readJson } from "@entrepot/client/read-body";
import { isObject } from "@entrepot/oci/json-object";
import { askPassword, askText, readPasswordFromStdin } from "./ask.ts";
import type { CliContext } from "./cli-context.ts";
import { findCredentials } from "./docker-config.ts";
import { parseHostArgument } from "./image-argument.ts";
import { type ManagementClient, managementClient } from "./management-client.ts";
import { requestManagement, withAnswer } from "./management-request.ts";
import { UsageError } from "./usage-error.ts";

/** How a person proves, here and now, that it is them. What is left out is asked for on a terminal. */
export interface SignInOptions {
  readonly username?: string;
  readonly passwordStdin?: true;
  readonly code?: string;
  readonly recoveryCode?: string;
}

interface Session {
  readonly cookie: string;
  readonly csrfToken: string;
}

/**
 * Signs in as a browser does, with the password and, where there is one, a second factor; does the work, and signs out in any case. For what no token and no stored
 * password may do. The stored credentials give the user name only.
 */
export async function withOwnSession<T>(
  context: CliContext,
  registry: string | undefined,
  options: SignInOptions,
  work: (client: ManagementClient) => Promise<T>,
): Promise<T> {
  const host = parseHostArgument(registry ?? context.environment.defaultHost);
  const { cookie, csrfToken } = await signIn(context, host, options);
  const proof = { cookie, "x-csrf-token": csrfToken };
  try {
    return await work(managementClient(context, host, proof));
  } finally {
    // What was done is done; and the work may have ended the session itself.
    await requestManagement(context, host, {
      method: "DELETE",
      path: "/api/v1/session",
      what: "sign out",
      proof,
    }).catch(() => undefined);
  }
}

async function signIn(context: CliContext, host: string, options: SignInOptions): Promise<Session> {
  const instead =
    "without a terminal, give --password-stdin and, with a second factor, --code or --recovery-code";
  const stored = await findCredentials(context.environment.dockerConfigDir, host);
  const known = options.username ?? (stored?.kind === "password" ? stored.username : undefined);
  const username = known ?? (await askText(context, "User name", "say who you are with --username"));
  const password =
    options.passwordStdin === true
      ? await readPasswordFromStdin()
      : await askPassword(context, `Password of ${username}`, instead);
  const first = await post(context, host, "/api/v1/sign-in", { username, password });
  if (first.answer["mfaRequired"] !== true) return sessionOf(first);
  const { ticket, methods } = first.answer;
  const factor = await secondFactor(context, options, Array.isArray(methods) ? methods : []);
  return sessionOf(await post(context, host, "/api/v1/sign-in/mfa", { ticket, ...factor }));
}

async function secondFactor(context: CliContext, options: SignInOptions, methods: readonly unknown[]) {
  if (options.recoveryCode !== undefined) return { recoveryCode: options.recoveryCode };
  if (options.code !== undefined) return { code: options.code };
  const hasApp = methods.includes("totp");
  const question = hasApp
    ? "Code of the authenticator app"
    : "Recovery code (security keys work in a browser only)";
  const shown = await askText(context, question, "a second factor is needed: give --code or --recovery-code");
  return hasApp && /^\d{6}$/.test(shown) ? { code: shown } : { recoveryCode: shown };
}

interface Answered {
  readonly answer: Readonly<Record<string, unknown>>;
  readonly setCookie: string | undefined;
}

function post(context: CliContext, host: string, path: string, body: object): Promise<Answered> {
  const request = { method: "POST", path, body, what: "sign in", proof: {} } as const;
  return withAnswer(context, host, request, async (response) => {
    const json = await readJson(response, `the answer of ${host}`);
    return { answer: isObject(json) ? json : {}, setCookie: response.header("set-cookie") };
  });
}

function sessionOf({ answer, setCookie }: Answered): Session {
  const { csrfToken } = answer;
  const [cookie] = setCookie?.split(";") ?? [];
  if (cookie === undefined || typeof csrfToken !== "string") {
    throw new UsageError(
      "the registry gave no session: over plain http it gives one on this machine only; use https",
    );
  }
  return { cookie, csrfToken };
}
