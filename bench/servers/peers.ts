import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BenchServer } from "./bench-server.ts";
import { freePort, spawnServer } from "./spawn-server.ts";

const noHeaders = async () => ({});

/** Whether a program is on the PATH. */
export function hasProgram(name: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${name}`]).status === 0;
}

/** Installs Debian packages that are missing; needs root, and says so otherwise. */
export function ensurePackages(packages: readonly string[]): void {
  const missing = packages.filter((name) => !hasProgram(name));
  if (missing.length === 0) return;
  console.error(`installing ${missing.join(" ")} …`);
  const lock = ["-o", "DPkg::Lock::Timeout=300", "-qq", "-y"];
  execFileSync("apt-get", [...lock, "update"], { stdio: "inherit" });
  execFileSync("apt-get", [...lock, "install", "--no-install-recommends", ...missing], { stdio: "inherit" });
}

/** Debian's docker-registry (distribution 2.8): the peer of every ratio. Files on the same disk, no authentication, errors only. */
export async function startDockerRegistry(
  dataDir: string,
  program = "docker-registry",
): Promise<BenchServer> {
  mkdirSync(dataDir, { recursive: true });
  const port = await freePort();
  const config = join(dataDir, "config.yml");
  const storage = join(dataDir, "storage");
  writeFileSync(
    config,
    `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: ${storage}}
  delete: {enabled: true}
  maintenance: {uploadpurging: {enabled: false}}
http: {addr: "127.0.0.1:${port}", secret: bench}
health: {storagedriver: {enabled: false}}
`,
  );
  const url = `http://127.0.0.1:${port}/v2/`;
  const spawned = await spawnServer(program, ["serve", config], { url });
  return { name: program, port, ...spawned, isRegistry: true, dataDir: storage, headers: noHeaders };
}

/** zot, where it is on the PATH: the smallest configuration without authentication. */
export async function startZot(dataDir: string): Promise<BenchServer> {
  mkdirSync(dataDir, { recursive: true });
  const port = await freePort();
  const config = join(dataDir, "config.json");
  const storage = { rootDirectory: join(dataDir, "storage"), gc: false };
  const http = { address: "127.0.0.1", port: String(port) };
  writeFileSync(config, JSON.stringify({ storage, http, log: { level: "error" } }));
  const spawned = await spawnServer("zot", ["serve", config], { url: `http://127.0.0.1:${port}/v2/` });
  return { name: "zot", port, ...spawned, isRegistry: true, dataDir, headers: noHeaders };
}

/** A registry that runs already, on this machine. Its CPU and memory cannot be told. */
export function attachRegistry(name: string, address: string): BenchServer {
  const url = new URL(address);
  if (!["127.0.0.1", "localhost"].includes(url.hostname))
    throw new Error("only registries on this machine are measured");
  const basic = Buffer.from(
    `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`,
  ).toString("base64");
  const headers: Record<string, string> = url.username === "" ? {} : { authorization: `Basic ${basic}` };
  return {
    name,
    port: Number(url.port || 80),
    pid: 0,
    startMs: Number.NaN,
    isRegistry: true,
    dataDir: "",
    headers: async () => headers,
    stop: async () => {},
  };
}

/** nginx with sendfile, serving the same bytes as plain files: what the machine can do. */
export async function startNginx(dataDir: string): Promise<BenchServer> {
  mkdirSync(join(dataDir, "files"), { recursive: true });
  const port = await freePort();
  const config = join(dataDir, "nginx.conf");
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${join(dataDir, name)};`,
  );
  writeFileSync(join(dataDir, "files", "ready"), "ready");
  writeFileSync(
    config,
    `pid ${join(dataDir, "nginx.pid")}; error_log ${join(dataDir, "error.log")}; worker_processes 1; daemon off; user root;
events { worker_connections 512; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; ${paths.join(" ")}
  server { listen 127.0.0.1:${port}; root ${join(dataDir, "files")}; } }
`,
  );
  const spawned = await spawnServer("nginx", ["-c", config, "-p", dataDir], {
    url: `http://127.0.0.1:${port}/ready`,
  });
  return {
    name: "nginx",
    port,
    ...spawned,
    isRegistry: false,
    dataDir: join(dataDir, "files"),
    headers: noHeaders,
  };
}
