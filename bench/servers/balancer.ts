import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, type Spawned, spawnServer } from "./spawn-server.ts";

export interface Balancer extends Spawned {
  /** In front of the first `count` instances. */
  port(count: number): number;
}

/** One nginx with an address for each number of instances; each request goes to the next instance, whatever it is about. */
export async function startBalancer(
  folder: string,
  instancePorts: readonly number[],
  counts: readonly number[],
): Promise<Balancer> {
  mkdirSync(folder, { recursive: true });
  const ports = new Map<number, number>();
  for (const count of counts) ports.set(count, await freePort());
  const servers = counts.map(
    (count) => `upstream first${count} { ${instancePorts
      .slice(0, count)
      .map((port) => `server 127.0.0.1:${port} max_fails=0;`)
      .join(" ")} keepalive 128; keepalive_requests 1000000; }
  server { listen 127.0.0.1:${ports.get(count)}; location / { proxy_pass http://first${count}; } }`,
  );
  const config = join(folder, "nginx.conf");
  writeFileSync(
    config,
    `pid ${join(folder, "nginx.pid")}; error_log ${join(folder, "error.log")}; worker_processes 1; daemon off; user root;
events { worker_connections 2048; }
http {
  access_log off; client_body_temp_path ${folder}; proxy_temp_path ${folder}; keepalive_requests 1000000;
  client_max_body_size 0; proxy_request_buffering off; proxy_buffering off; proxy_http_version 1.1;
  proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
  ${servers.join("\n  ")}
}
`,
  );
  const port = (count: number) => ports.get(count) ?? 0;
  const url = `http://127.0.0.1:${port(counts[0] ?? 1)}/health/instance`;
  const spawned = await spawnServer("nginx", ["-c", config, "-p", folder], { url });
  return { ...spawned, port };
}
