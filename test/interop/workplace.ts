import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { digestOf, openSession, type RegistrySession } from "../support/registry-session.ts";
import { administrator } from "../support/server-process.ts";
import { type Client, cache, pathOf } from "./clients.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { type Exchange, startLoggingProxy } from "./logging-proxy.ts";
import { makeCertificate } from "./make-certificate.ts";
import { runScript } from "./run-script.ts";
import { startRegistry } from "./start-registry.ts";

/** A registry of its own and a scratch folder for one test, removed when the test ends. */
export interface Workplace {
  /** `127.0.0.1:port`, as image names have it: the logging proxy in front of the registry. */
  readonly host: string;
  readonly folder: string;
  /** Everything that passed between the clients and the registry. */
  readonly exchanges: readonly Exchange[];
  /** Calls straight to the registry, not logged. */
  readonly session: RegistrySession;
  /** Runs a bash script in the folder and tells what it printed; see `run-script.ts` for what it finds there. */
  sh(script: string): Promise<string>;
  /** Starts a program that ends with the test; `probe` is a script that succeeds when it is ready. */
  startDaemon(command: readonly [string, ...string[]], probe: string): Promise<void>;
  /** Reads a manifest back from the registry and checks the digest header against the bytes. */
  manifest(repository: string, reference: string): Promise<StoredManifest>;
  /** Fails unless a client of that User-Agent has made a successful request of that method. */
  assertSpoke(userAgent: RegExp, method: string): void;
}

/** A manifest as the registry serves it. */
export interface StoredManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly text: string;
}

const manifestTypes = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];

/** Opens a workplace whose scripts find the named clients on their PATH, the first one first. */
export function openWorkplace(t: TestContext, ...clients: readonly Client[]): Promise<Workplace> {
  return open(t, clients, { isTls: false });
}

/** The same with settings of the registry. */
export function openWorkplaceWith(
  t: TestContext,
  settings: Readonly<Record<string, string>>,
  ...clients: readonly Client[]
): Promise<Workplace> {
  return open(t, clients, { isTls: false, settings });
}

/** The same behind a proxy that ends TLS, with a certificate that `$W/tls/ca.crt` vouches for. */
export function openTlsWorkplace(t: TestContext, ...clients: readonly Client[]): Promise<Workplace> {
  return open(t, clients, { isTls: true });
}

interface Kind {
  readonly isTls: boolean;
  readonly settings?: Readonly<Record<string, string>>;
}

async function open(
  t: TestContext,
  clients: readonly Client[],
  { isTls, settings }: Kind,
): Promise<Workplace> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-interop-"));
  const registry = await startRegistry(t, folder, { ENTREPOT_TRUST_PROXY: String(isTls), ...settings });
  const certificate = isTls ? await makeCertificate(folder) : undefined;
  const proxy = await startLoggingProxy(Number(new URL(registry.origin).port), certificate);
  const host = `127.0.0.1:${proxy.port}`;
  await writeContainersSettings(folder, host, !isTls);
  const env = environment(folder, host, clients);
  const session = openSession(registry.origin, administrator);
  const sh: Workplace["sh"] = (script) => runScript(script, folder, env);
  const daemons: Daemon[] = [];
  t.after(async () => {
    for (const daemon of daemons.toReversed()) await daemon.stop();
    await proxy.close();
    await registry.stop();
    await unmountBelow(folder, sh);
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  });
  return {
    host,
    folder,
    exchanges: proxy.exchanges,
    session,
    sh,
    async startDaemon(command, probe) {
      const isReady = () =>
        sh(probe).then(
          () => true,
          () => false,
        );
      daemons.push(
        await startDaemon(command, { cwd: folder, env, logFile: join(folder, "daemon.log"), isReady }),
      );
    },
    async manifest(repository, reference) {
      const accept = manifestTypes.join(", ");
      const path = `/v2/${repository}/manifests/${reference}`;
      const response = await session.request("GET", path, { headers: { accept } });
      const text = await response.text();
      assert.equal(response.status, 200, `${path}: ${text}`);
      const digest = digestOf(Buffer.from(text));
      assert.equal(response.headers.get("docker-content-digest"), digest);
      return { digest, mediaType: response.headers.get("content-type") ?? "", text };
    },
    assertSpoke(userAgent, method) {
      const ofMethod = proxy.exchanges.filter(
        (exchange) => exchange.method === method && exchange.status < 400,
      );
      const seen = new Set(ofMethod.map((exchange) => exchange.userAgent));
      assert.ok(
        [...seen].some((agent) => userAgent.test(agent)),
        `no ${method} by ${userAgent}; by ${[...seen].join(" | ")}`,
      );
    },
  };
}

/** Storage drivers mount below the folder; what stays mounted would be deleted through. */
async function unmountBelow(folder: string, sh: Workplace["sh"]): Promise<void> {
  const points = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .flatMap((line) => line.split(" ").slice(1, 2))
    .filter((point) => point.startsWith(`${folder}/`));
  for (const point of points.toReversed()) await sh(`umount '${point}' || umount -l '${point}'`);
}

function environment(folder: string, host: string, clients: readonly Client[]): Record<string, string> {
  const tools = clients.map((client) => dirname(pathOf(client)));
  return {
    PATH: [...tools, "/usr/sbin", "/usr/bin", "/sbin", "/bin"].join(":"),
    HOME: folder,
    TMPDIR: folder,
    W: folder,
    R: host,
    CACHE: cache,
    IMAGES: join(cache, "images/oci"),
    USERNAME: administrator.username,
    PASSWORD: administrator.password,
    CONTAINERS_STORAGE_CONF: join(folder, "storage.conf"),
    CONTAINERS_CONF: join(folder, "containers.conf"),
    CONTAINERS_REGISTRIES_CONF: join(folder, "registries.conf"),
    REGISTRY_AUTH_FILE: join(folder, "auth.json"),
    DOCKER_CONFIG: join(folder, "docker-config"),
    DOCKER_HOST: `unix://${join(folder, "docker.sock")}`,
    XDG_CONFIG_HOME: join(folder, "config"),
    COSIGN_PASSWORD: "",
  };
}

/** Settings of podman, buildah and skopeo, by environment only: nothing of the machine is touched. */
async function writeContainersSettings(folder: string, host: string, isInsecure: boolean): Promise<void> {
  const storage = `[storage]\ndriver = "overlay"\nrunroot = "${folder}/run"\ngraphroot = "${folder}/cs"\n[storage.options]\npull_options = {enable_partial_images = "true"}\n`;
  // runc, as crun fails on machines with both versions of control groups; limits, as only privileged root may raise them.
  const containers = `[containers]\ndefault_ulimits = ["nofile=4096:4096","nproc=4096:4096"]\n[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n`;
  await writeFile(join(folder, "storage.conf"), storage);
  await writeFile(join(folder, "containers.conf"), containers);
  const registries = `[[registry]]\nlocation = "${host}"\ninsecure = ${isInsecure}\n`;
  await writeFile(join(folder, "registries.conf"), registries);
}
