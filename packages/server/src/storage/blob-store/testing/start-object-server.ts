import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../../lib/testing/free-ports.ts";
import type { StorageKeys } from "../objects/storage-keys.ts";

/** A real object store, on this machine alone, for the tests of one file. */
export interface ObjectServer {
  readonly origin: string;
  readonly keys: StorageKeys;
  /** Ends it and removes everything that it kept. */
  stop(): Promise<void>;
}

export const objectServers = ["ceph", "swift"] as const;
export type ObjectServerName = (typeof objectServers)[number];

/** For one attempt: it takes 12 seconds on a machine that does little else, 30 on one that does much. */
const startLimitMs = 150_000;
const attempts = 4;

/** Why a server cannot be started here; undefined when it can. `test/object-storage/install-servers.sh` installs both. */
export function missingObjectServer(name: ObjectServerName): string | undefined {
  if (process.getuid?.() !== 0) return `${name} is started in a namespace of its own, by root`;
  const program = name === "ceph" ? join(cephRoot(), "usr/bin/radosgw") : "/usr/bin/swift-proxy-server";
  return existsSync(program) ? undefined : `${name} is not installed: test/object-storage/install-servers.sh`;
}

/**
 * Starts it, anew when it does not become ready: another program may have taken one of its ports, or its parts have waited for each other
 * for ever.
 */
export async function startObjectServer(name: ObjectServerName): Promise<ObjectServer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(name);
    } catch (error) {
      if (attempt === attempts) throw error;
      console.error(`${name} is started anew: ${String(error)}`);
    }
  }
}

async function startOnce(name: ObjectServerName): Promise<ObjectServer> {
  const folder = await mkdtemp(join(tmpdir(), `entrepot-${name}-`));
  const script = join(import.meta.dirname, `${name}.sh`);
  // Ceph's gateway, its monitor, and ten for what stores; Swift's five servers.
  const port = await freePorts(name === "ceph" ? 12 : 5);
  const ports = name === "ceph" ? [port, port + 1, port + 2] : [port];
  const places = name === "ceph" ? [cephRoot(), folder] : [folder];
  const child = spawn("bash", [script, ...places, ...ports.map(String)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await untilPrinted(child.stdout, "READY");
  } catch (error) {
    const said = await lastWords(join(folder, "log"));
    await stop();
    throw new Error(`${name} does not start; it said last: ${said}`, { cause: error });
  }
  const accessKey = name === "ceph" ? "tester" : "test:tester";
  return {
    origin: `http://127.0.0.1:${port}`,
    keys: { accessKey, secretKey: "testing", sessionToken: undefined },
    stop,
  };
}

/** The end of each of its logs, as nobody can look at them afterwards. */
async function lastWords(folder: string): Promise<string> {
  const names = await readdir(folder).catch(() => []);
  const ends = await Promise.all(
    names.map(async (name) => `${name}:\n${(await readFile(join(folder, name), "utf8")).slice(-1_500)}`),
  );
  return ends.join("\n");
}

function cephRoot(): string {
  // oxlint-disable-next-line node/no-process-env -- where the install script puts things
  return join(process.env["ENTREPOT_TEST_CACHE"] ?? join(tmpdir(), "entrepot-test-cache"), "ceph");
}

async function untilPrinted(stream: NodeJS.ReadableStream, word: string): Promise<void> {
  const deadline = AbortSignal.timeout(startLimitMs);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let printed = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    printed += text;
    if (printed.includes(word)) resolve();
  });
  stream.on("end", () => reject(new Error(`the object store ended before it was ready: ${printed}`)));
  deadline.addEventListener("abort", () => reject(new Error("the object store did not become ready")));
  await promise;
}
