import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

/** A registry of another make, run for one test file. */
export interface DockerRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly origin: string;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

const program = "/usr/bin/docker-registry";
const startLimitMs = 90_000;

/** A reason to skip, or false where the `docker-registry` of Debian is installed. */
export function missingDockerRegistry(): string | false {
  return existsSync(program) ? false : `${program} is not installed (Debian package docker-registry)`;
}

/** Starts one with a folder and a port of its own; `htpasswd` = lines of an Apache password file with bcrypt, for Basic authentication. */
export async function startDockerRegistry(
  options: { readonly htpasswd?: string } = {},
): Promise<DockerRegistry> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-docker-registry-"));
  const port = await freePort();
  const file = join(folder, "config.yml");
  const passwords = join(folder, "htpasswd");
  await writeFile(passwords, options.htpasswd ?? "");
  await writeFile(
    file,
    [
      "version: 0.1",
      "log: { level: error }",
      `storage: { filesystem: { rootdirectory: ${join(folder, "data")} }, delete: { enabled: true } }`,
      `http: { addr: "127.0.0.1:${port}" }`,
      ...(options.htpasswd === undefined ? [] : [`auth: { htpasswd: { realm: test, path: ${passwords} } }`]),
    ].join("\n"),
  );
  // An empty environment: it reads every REGISTRY_ variable as a setting.
  const child = spawn(program, ["serve", file], { stdio: "ignore", env: {} });
  const origin = `http://127.0.0.1:${port}`;
  await untilAnswering(child, origin);
  return {
    host: `127.0.0.1:${port}`,
    origin,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = once(child, "exit");
        child.kill("SIGKILL");
        await gone;
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function untilAnswering(child: ChildProcess, origin: string): Promise<void> {
  const deadline = performance.now() + startLimitMs;
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`);
    try {
      const response = await fetch(`${origin}/v2/`);
      await response.arrayBuffer();
      return;
    } catch {
      await wait(50);
    }
  }
  child.kill("SIGKILL");
  throw new Error("docker-registry does not answer");
}

/**
 * Below the ports that the kernel hands out by itself, as it starts only later; and no other process of the tests is given it as long as this one lives: an abstract
 * socket is a name that one process has. Only Linux knows them, and where this program is, Linux is.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 30_000 + randomInt(1_300);
    const server = await listening({ port, host: "127.0.0.1" });
    if (server === undefined) continue;
    server.close();
    await once(server, "close");
    if ((await listening({ path: `\0entrepot-test-port-${port}` })) !== undefined) return port;
  }
}

async function listening(
  at: { readonly port: number; readonly host: string } | { readonly path: string },
): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy()).unref();
  return new Promise((resolve) => {
    server.once("error", () => resolve(undefined)).listen(at, () => resolve(server));
  });
}
