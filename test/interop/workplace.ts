import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { administrator, freePort, type ServerProcess, startServer } from "../support/server-process.ts";
import { cache } from "./clients.ts";

/** A registry of its own and a scratch folder for one test of one client. */
export interface Workplace {
  readonly server: ServerProcess;
  /** `127.0.0.1:port`, as image names have it. */
  readonly host: string;
  readonly folder: string;
  /** Runs a bash script in the folder, with the settings below; throws with everything it printed when it fails. Tells standard output. */
  sh(script: string): Promise<string>;
  /** Whether a client of that User-Agent has talked to the registry. */
  sawUserAgent(pattern: RegExp): boolean;
}

const scriptLimitMs = 240_000;

/** Opens a workplace that the test removes when it ends. Scripts see R (host), W (folder), CACHE, USERNAME and PASSWORD. */
export async function openWorkplace(
  t: TestContext,
  options: {
    readonly settings?: Readonly<Record<string, string>>;
    readonly host?: (port: number) => string;
  } = {},
): Promise<Workplace> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-interop-"));
  const port = await freePort();
  const server = await startServer({
    dataDir: join(folder, "data"),
    port,
    settings: { ENTREPOT_LOG_LEVEL: "info", ...options.settings },
  });
  const host = options.host?.(port) ?? `127.0.0.1:${port}`;
  await writeContainersSettings(folder, host);
  const env = environment(folder, host);
  const sh: Workplace["sh"] = (script) => runScript(script, folder, env);
  t.after(async () => {
    // Storage drivers mount below the folder; what is still mounted would be deleted through.
    await sh("podman rm -fa >/dev/null 2>&1; umount -R $W/cs/overlay >/dev/null 2>&1; true").catch(
      () => undefined,
    );
    await server.stop("SIGKILL");
    await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
  });
  return { server, host, folder, sh, sawUserAgent: (pattern) => pattern.test(server.output()) };
}

function runScript(script: string, cwd: string, env: Readonly<Record<string, string>>): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd, env, timeout: scriptLimitMs, maxBuffer: 64_000_000 };
    execFile("bash", ["-euo", "pipefail", "-c", script], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${error.message}\n--- stdout\n${stdout}\n--- stderr\n${stderr}`));
    });
  });
}

function environment(folder: string, host: string): Record<string, string> {
  return {
    PATH: `${join(cache, "forky/usr/bin")}:${join(cache, "trixie/usr/bin")}:${join(cache, "helm/helm")}:/usr/sbin:/usr/bin:/sbin:/bin`,
    HOME: folder,
    PS1: "", // bash reads its start-up file when it believes to be called over the network
    W: folder,
    R: host,
    CACHE: cache,
    USERNAME: administrator.username,
    PASSWORD: administrator.password,
    CONTAINERS_STORAGE_CONF: join(folder, "storage.conf"),
    CONTAINERS_CONF: join(folder, "containers.conf"),
    CONTAINERS_REGISTRIES_CONF: join(folder, "registries.conf"),
    REGISTRY_AUTH_FILE: join(folder, "auth.json"),
    DOCKER_CONFIG: join(folder, "docker-config"),
    COSIGN_PASSWORD: "",
    XDG_CONFIG_HOME: join(folder, "config"),
    DOCKER_HOST: `unix://${join(folder, "docker.sock")}`,
  };
}

/** Settings of podman, buildah and skopeo, by environment only: nothing of the machine is touched. */
async function writeContainersSettings(folder: string, host: string): Promise<void> {
  const storage = `[storage]\ndriver = "overlay"\nrunroot = "${folder}/run"\ngraphroot = "${folder}/cs"\n[storage.options]\npull_options = {enable_partial_images = "true"}\n`;
  const containers = `[containers]\ndefault_ulimits = ["nofile=4096:4096","nproc=4096:4096"]\n[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n`;
  await writeFile(join(folder, "storage.conf"), storage);
  await writeFile(join(folder, "containers.conf"), containers);
  await writeFile(join(folder, "registries.conf"), `[[registry]]\nlocation = "${host}"\ninsecure = true\n`);
}

/** Lines that begin scripts which need a running dockerd; `program` is dockerd's own path. */
export function withDockerd(program: string, script: string, features = "{}"): string {
  return `
mkdir -p $DOCKER_CONFIG/cli-plugins
ln -sf $CACHE/forky/usr/libexec/docker/cli-plugins/* $DOCKER_CONFIG/cli-plugins/ 2>/dev/null || true
echo '${features}' > $W/d.json
export PATH=$(dirname ${program}):$PATH
setsid ${program} --config-file $W/d.json --data-root $W/dk --exec-root $W/dx --pidfile $W/dockerd.pid -H $DOCKER_HOST --iptables=false --ip6tables=false --bridge=none > $W/dockerd.log 2>&1 &
stop() { kill $(cat $W/dockerd.pid) 2>/dev/null; for i in $(seq 100); do [ -e $W/dockerd.pid ] || break; sleep 0.1; done; umount $W/dx/netns/default 2>/dev/null || true; }
trap stop EXIT
for i in $(seq 120); do docker version >/dev/null 2>&1 && break; sleep 0.25; done
docker version >/dev/null || { cat $W/dockerd.log >&2; exit 1; }
${script}`;
}
