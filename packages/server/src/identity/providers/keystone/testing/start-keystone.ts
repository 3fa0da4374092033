import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isObject } from "@entrepot/oci/json-object";
import { freePorts } from "../../../../lib/testing/free-ports.ts";

/** A real Keystone on this machine alone. */
export interface Keystone {
  readonly origin: string;
  /** As its administrator; tells the answer's JSON. */
  manage(method: string, path: string, body?: object): Promise<Readonly<Record<string, unknown>>>;
  stop(): Promise<void>;
}

/** Why it cannot be started here; undefined when it can. */
export function missingKeystone(): string | undefined {
  if (process.getuid?.() !== 0) return "Keystone is started by root, for a user of its own";
  const isThere = existsSync("/usr/bin/keystone-manage") && existsSync("/usr/bin/uwsgi");
  return isThere ? undefined : "Keystone is not installed: apt-get install keystone uwsgi-plugin-python3";
}

export async function startKeystone(): Promise<Keystone> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-keystone-"));
  await chmod(folder, 0o755);
  const port = await freePorts(1);
  const child = spawn("bash", [join(import.meta.dirname, "keystone.sh"), folder, String(port)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const stop = async () => {
    if (child.exitCode === null) {
      const gone = once(child, "exit");
      child.stdin.end();
      await gone;
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  const [first]: unknown[] = await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
  if (String(first).trim() !== "READY") {
    await stop();
    throw new Error("Keystone did not become ready");
  }
  const origin = `http://127.0.0.1:${port}`;
  const token = await signIn(origin);
  return {
    origin,
    stop,
    async manage(method, path, body) {
      const reply = await fetch(`${origin}/v3${path}`, {
        method,
        headers: { "x-auth-token": token, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await reply.text();
      assert.ok(reply.status < 300, `${method} ${path}: ${reply.status} ${text}`);
      const value: unknown = text === "" ? {} : JSON.parse(text);
      return isObject(value) ? value : {};
    },
  };
}

async function signIn(origin: string): Promise<string> {
  const user = { name: "admin", password: "adminpw", domain: { id: "default" } };
  const scope = { project: { name: "admin", domain: { id: "default" } } };
  const identity = { methods: ["password"], password: { user } };
  const reply = await fetch(`${origin}/v3/auth/tokens`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ auth: { identity, scope } }),
  });
  await reply.body?.cancel();
  assert.equal(reply.status, 201);
  return reply.headers.get("x-subject-token") ?? "";
}
