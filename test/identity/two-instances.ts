import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { administrator, freePort, type ServerProcess, startServer } from "../support/server-process.ts";
import { openTestPostgres } from "../support/test-postgres.ts";

/** Two processes over one PostgreSQL database and one folder of blobs: what is done at `here` must hold at `there`. */
export interface TwoInstances {
  readonly here: ServerProcess;
  readonly there: ServerProcess;
}

export async function startTwoInstances(
  t: TestContext,
  settings: Readonly<Record<string, string>> = {},
): Promise<TwoInstances> {
  const dataDir = await mkdtemp(join(tmpdir(), "entrepot-two-"));
  const postgres = await openTestPostgres();
  const servers: ServerProcess[] = [];
  t.after(async () => {
    for (const server of servers) await server.stop("SIGTERM");
    await postgres.dispose();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 3 });
  });
  const start = async () => {
    const server = await startServer({
      dataDir,
      port: await freePort(),
      settings: { ENTREPOT_DATABASE_URL: postgres.url, ENTREPOT_LOG_LEVEL: "debug", ...settings },
    });
    servers.push(server);
    return server;
  };
  return { here: await start(), there: await start() };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** One request; the body is read to its end. */
export async function ask(
  origin: string,
  method: string,
  path: string,
  authorization: string | undefined,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await fetch(new URL(path, origin), {
    method,
    redirect: "manual",
    signal: AbortSignal.timeout(30_000),
    headers: {
      ...(authorization === undefined ? {} : { authorization }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** As `ask`, of the administrator; throws unless it is done. Tells the answer's JSON. */
export async function manage(
  origin: string,
  method: string,
  path: string,
  body?: unknown,
  authorization = basic(administrator.username, administrator.password),
): Promise<Record<string, unknown>> {
  const answer = await ask(origin, method, path, authorization, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  // as: every reply of the management API is an object
  return answer.text === "" ? {} : (JSON.parse(answer.text) as Record<string, unknown>);
}

export function basic(username: string, secret: string): string {
  return `Basic ${Buffer.from(`${username}:${secret}`).toString("base64")}`;
}

/** The text at a path of keys; throws when there is none. */
export function textAt(json: unknown, ...keys: readonly string[]): string {
  let value: unknown = json;
  for (const key of keys) {
    if (typeof value !== "object" || value === null) throw new Error(`nothing at ${keys.join(".")}`);
    value = Reflect.get(value, key);
  }
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  throw new Error(`no text at ${keys.join(".")} in ${JSON.stringify(json)}`);
}

/** A bearer token for pulling, as docker gets one. */
export async function bearerFor(origin: string, repository: string, authorization: string): Promise<string> {
  const path = `/token?service=entrepot&scope=repository:${repository}:pull`;
  const answer = await ask(origin, "GET", path, authorization);
  if (answer.status !== 200) throw new Error(`the token service answered ${answer.status} ${answer.text}`);
  return `Bearer ${textAt(JSON.parse(answer.text), "token")}`;
}
