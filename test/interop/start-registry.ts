import { join } from "node:path";
import type { TestContext } from "node:test";
import { startCluster } from "../scale-out/start-cluster.ts";
import { freePort, startServer } from "../support/server-process.ts";
import { openTestPostgres } from "../support/test-postgres.ts";

/** What the clients of a test speak to: one process, or several behind a load balancer. The same to them. */
export interface Registry {
  readonly origin: string;
  /** Ends it, every instance of it, and starts it again at the same address with what it had. */
  restart(signal: "SIGKILL" | "SIGTERM"): Promise<void>;
  /** Repeatable. */
  stop(): Promise<void>;
}

type Settings = Readonly<Record<string, string>>;

/**
 * One process with a folder of its own; or with ENTREPOT_TEST_INSTANCES, which `run-on-cluster.ts` sets, so many instances on PostgreSQL and a bucket
 * behind an nginx that sends every request to the next one.
 */
export async function startRegistry(t: TestContext, folder: string, settings: Settings): Promise<Registry> {
  const instances = Number(process.env["ENTREPOT_TEST_INSTANCES"] ?? 1);
  return instances > 1 ? startInstances(t, instances, settings) : startProcess(folder, settings);
}

async function startProcess(folder: string, settings: Settings): Promise<Registry> {
  const options = { dataDir: join(folder, "data"), port: await freePort(), settings };
  let server = await startServer(options);
  return {
    origin: server.origin,
    async restart(signal) {
      await server.stop(signal);
      server = await startServer(options);
    },
    stop: () => server.stop("SIGKILL"),
  };
}

async function startInstances(t: TestContext, instances: number, settings: Settings): Promise<Registry> {
  const origin = process.env["ENTREPOT_TEST_OBJECTS"] ?? "";
  const [accessKey = "", secretKey = ""] = (process.env["ENTREPOT_TEST_OBJECTS_KEYS"] ?? "").split(" ");
  const postgres = await openTestPostgres();
  const cluster = await startCluster(t, {
    instances,
    databaseUrl: postgres.url,
    objects: { origin, keys: { accessKey, secretKey, sessionToken: undefined } },
    // nginx is a proxy, whoever is in front of it.
    settings: { ...settings, ENTREPOT_TRUST_PROXY: "true" },
  });
  // Added last, so done when nobody uses it any more.
  t.after(() => postgres.dispose());
  return {
    origin: cluster.origin,
    async restart(signal) {
      await Promise.all(cluster.instances.map((_, index) => cluster.replace(index, signal)));
    },
    async stop() {
      await Promise.all(cluster.instances.map((instance) => instance.stop("SIGKILL")));
    },
  };
}
