import cluster from "node:cluster";
import { processEnvironment } from "../config/environment.ts";
import { loadConfig } from "../config/load-config.ts";
import { createLog } from "../lib/pino-log.ts";
import { announce } from "./announce.ts";
import { createInstance } from "./create-instance.ts";
import { openStores } from "./open-stores.ts";
import { superviseWorkers } from "./supervise-workers.ts";

export interface ServeOptions {
  /** A configuration file; absent = the one that the environment names, if any. */
  readonly configFile?: string;
}

/**
 * Runs the registry until SIGTERM or SIGINT: then it stops taking connections, lets requests under way finish, and the promise of the
 * process is kept. A second signal ends it at once. Throws `ConfigError` or `AppError` when it cannot start.
 */
export async function serve(options: ServeOptions): Promise<void> {
  const config = await loadConfig(processEnvironment(), options.configFile);
  const log = createLog({
    level: config.logLevel,
    format: config.logFormat === "auto" ? (process.stdout.isTTY ? "text" : "json") : config.logFormat,
    destination: process.stdout,
  });
  if (config.workers > 1 && cluster.isPrimary) {
    // Tables and the first administrator are made once, before the workers look for them.
    const stores = await openStores(config, log, { waitsForMove: true });
    const firstAdministrator = await stores.ensureFirstAdministrator();
    await stores.close();
    await superviseWorkers({ workers: config.workers, drainSeconds: config.drainSeconds, log }, (port) =>
      announce(config, port, firstAdministrator),
    );
    return;
  }
  const instance = await createInstance(config, log);
  if (cluster.isWorker) process.send?.({ kind: "listening", port: instance.port });
  else announce(config, instance.port, instance.firstAdministrator);
  let stopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) process.exit(1);
    stopping = true;
    log.info({ signal, drainSeconds: config.drainSeconds }, "stopping");
    instance.close().then(
      () => {
        log.info({}, "stopped");
        // Sockets that the drain deadline cut, and nothing else, could hold the process.
        process.exit(0);
      },
      (error: unknown) => {
        log.error({ error }, "could not stop cleanly");
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", stop).on("SIGINT", stop);
  process.on("SIGHUP", () => instance.reload());
}
