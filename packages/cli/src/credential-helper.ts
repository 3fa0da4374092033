import { spawn } from "node:child_process";
import { isObject } from "@entrepot/oci/json-object";

/** What a credential helper stores for a registry; the user name `<token>` marks a refresh token. */
export interface HelperCredentials {
  readonly username: string;
  readonly secret: string;
}

const limitMs = 30_000;
const outputLimitBytes = 65_536;

/**
 * Asks `docker-credential-NAME get`. Undefined when it has nothing for the registry; an `Error` with its own words when it fails or is missing.
 * https://github.com/docker/docker-credential-helpers#development
 */
export async function getFromHelper(
  helper: string,
  registry: string,
): Promise<HelperCredentials | undefined> {
  const { code, output } = await runHelper(helper, "get", registry);
  if (code !== 0) {
    if (/not found|no credentials/i.test(output)) return undefined;
    throw new Error(`the credential helper ${helper} failed: ${firstLine(output)}`);
  }
  const answer: unknown = JSON.parse(output);
  const [username, secret] = isObject(answer) ? [answer["Username"], answer["Secret"]] : [];
  if (typeof username !== "string" || typeof secret !== "string") {
    throw new Error(`the credential helper ${helper} gave an answer without credentials`);
  }
  return { username, secret };
}

/** Stores with `docker-credential-NAME store`; replaces what was there. */
export async function storeInHelper(
  helper: string,
  registry: string,
  credentials: HelperCredentials,
): Promise<void> {
  const { username, secret } = credentials;
  const input = JSON.stringify({ ServerURL: registry, Username: username, Secret: secret });
  const { code, output } = await runHelper(helper, "store", input);
  if (code !== 0) throw new Error(`the credential helper ${helper} did not store it: ${firstLine(output)}`);
}

/** Removes with `docker-credential-NAME erase`; fine when there is nothing. */
export async function eraseFromHelper(helper: string, registry: string): Promise<void> {
  const { code, output } = await runHelper(helper, "erase", registry);
  if (code !== 0 && !/not found|no credentials/i.test(output)) {
    throw new Error(`the credential helper ${helper} did not remove it: ${firstLine(output)}`);
  }
}

async function runHelper(
  helper: string,
  action: "get" | "store" | "erase",
  input: string,
): Promise<{ readonly code: number; readonly output: string }> {
  // The name becomes a program's: it must not lead out of the search path.
  if (!/^[\w.-]{1,64}$/.test(helper))
    throw new Error("docker's configuration names a malformed credential helper");
  return new Promise((resolve, reject) => {
    const child = spawn(`docker-credential-${helper}`, [action], {
      stdio: ["pipe", "pipe", "inherit"],
      timeout: limitMs,
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(0, outputLimitBytes);
    });
    child.on("error", (cause) => {
      reject(new Error(`the credential helper docker-credential-${helper} cannot be run`, { cause }));
    });
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
    // A helper that ends without reading is judged by its exit code.
    child.stdin.on("error", () => undefined).end(input);
  });
}

function firstLine(output: string): string {
  return output.trim().split("\n", 1)[0]?.slice(0, 200) ?? "";
}
