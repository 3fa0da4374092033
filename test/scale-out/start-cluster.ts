import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { createBucket } from "@entrepot/server/storage/blob-store/testing/create-bucket";
import {
  missingObjectServer,
  type ObjectServer,
} from "@entrepot/server/storage/blob-store/testing/start-object-server";
import { freePort, type ServerProcess, startServer } from "../support/server-process.ts";
import type { Namespace } from "./start-namespace.ts";

/** Instances on one PostgreSQL database and one bucket, behind a load balancer that sends every request to the next one. */
export interface Cluster {
  /** Of the load balancer. */
  readonly origin: string;
  readonly instances: readonly ServerProcess[];
  /** Kills one and starts another in its place, on the same port. */
  replace(index: number, signal: "SIGKILL" | "SIGTERM"): Promise<void>;
}

const nginx = "/usr/sbin/nginx";

/** Why there can be no cluster here; undefined when there can. */
export function missingForCluster(): string | undefined {
  return existsSync(nginx) ? missingObjectServer("ceph") : "nginx is not installed";
}

export interface ClusterOptions {
  readonly instances: number;
  readonly databaseUrl: string;
  /** The cluster gets a bucket of its own there. */
  readonly objects: Pick<ObjectServer, "origin" | "keys">;
  readonly settings?: Readonly<Record<string, string>>;
  /** Where each instance finds the two, if not at their own addresses. */
  readonly routeOf?: (index: number) => { readonly database: string; readonly endpoint: string } | undefined;
  /** Which of them run in a network of their own. */
  readonly within?: (index: number) => Namespace | undefined;
}

export async function startCluster(t: TestContext, options: ClusterOptions): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-cluster-"));
  const { objects, databaseUrl } = options;
  const bucket = await createBucket(objects);
  const settings = {
    ENTREPOT_STORAGE_ACCESS_KEY: objects.keys.accessKey,
    ENTREPOT_STORAGE_SECRET_KEY: objects.keys.secretKey,
    ENTREPOT_SECRET_KEY: "5c".repeat(32),
    ENTREPOT_TRUST_PROXY: "true",
    ...options.settings,
  };
  const instances: ServerProcess[] = [];
  const ports: number[] = [];
  // They share nothing but the database and the bucket.
  const startOn = async (port: number, index: number) => {
    const { database, endpoint } = options.routeOf?.(index) ?? {
      database: databaseUrl,
      endpoint: objects.origin,
    };
    const stores = {
      ENTREPOT_DATABASE_URL: database,
      ENTREPOT_STORAGE_URL: `s3://${bucket}/registry?endpoint=${endpoint}&pathStyle=true`,
    };
    const dataDir = await mkdtemp(join(folder, "instance-"));
    const within = options.within?.(index);
    return startServer({ dataDir, port, settings: { ...stores, ...settings }, within });
  };
  const ends: (() => Promise<unknown>)[] = [
    () => rm(folder, { recursive: true, force: true, maxRetries: 3 }),
    () => Promise.all(instances.map((instance) => instance.stop("SIGKILL"))),
  ];
  // What was started last ends first, and nobody writes into the folder any more when it goes.
  t.after(async () => {
    for (const end of ends.toReversed()) await end();
  });
  for (let index = 0; index < options.instances; index++) ports.push(await freePort());
  // All at once, as an orchestrator starts them: one makes the tables and the administrator, the others wait for it or find them.
  const starting = await Promise.allSettled(ports.map(startOn));
  for (const started of starting) if (started.status === "fulfilled") instances.push(started.value);
  for (const started of starting) if (started.status === "rejected") throw started.reason;
  const addresses = ports.map((port, index) => `${options.within?.(index)?.address ?? "127.0.0.1"}:${port}`);
  const origin = await startBalancer(ends, folder, addresses);
  return {
    origin,
    instances,
    async replace(index, signal) {
      const [instance, port] = [instances[index], ports[index]];
      if (instance === undefined || port === undefined) throw new Error(`there is no instance ${index}`);
      await instance.stop(signal);
      instances[index] = await startOn(port, index);
    },
  };
}

/** Tells the address of an nginx that sends each request to the next instance, whatever it is about. */
async function startBalancer(
  ends: (() => Promise<unknown>)[],
  folder: string,
  addresses: readonly string[],
): Promise<string> {
  const port = await freePort();
  const config = join(folder, "nginx.conf");
  await writeFile(
    config,
    `pid ${join(folder, "nginx.pid")}; error_log ${join(folder, "nginx.log")}; worker_processes 1; daemon off; user root;
events { worker_connections 2048; }
http {
  # What a proxy in front has said of the scheme stays.
  map $http_x_forwarded_proto $forwarded_proto { default $http_x_forwarded_proto; "" $scheme; }
  access_log off; client_body_temp_path ${folder}; proxy_temp_path ${folder};
  upstream instances { ${addresses.map((address) => `server ${address} max_fails=1 fail_timeout=1s;`).join(" ")} keepalive 64; }
  server {
    listen 127.0.0.1:${port};
    client_max_body_size 0; proxy_request_buffering off; proxy_buffering off; proxy_http_version 1.1; proxy_read_timeout 60s; proxy_connect_timeout 1s;
    proxy_set_header Connection ""; proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $forwarded_proto;
    add_header X-Instance $upstream_addr always;
    location / { proxy_pass http://instances; }
  }
}
`,
  );
  const child = spawn(nginx, ["-c", config, "-p", folder], { stdio: ["ignore", "ignore", "inherit"] });
  ends.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    // Not SIGKILL: its worker would live on.
    child.kill("SIGTERM");
    await gone;
  });
  const origin = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 5_000; tries++) {
    try {
      await (await fetch(`${origin}/health/instance`)).body?.cancel();
      return origin;
    } catch {
      await wait(20);
    }
  }
  throw new Error("nginx did not become ready");
}
