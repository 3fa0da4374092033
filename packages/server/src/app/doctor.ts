import { statfs } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import { createServer } from "node:net";
import { text } from "node:stream/consumers";
import { type Config } from "../config/config.ts";
import { processEnvironment } from "../config/environment.ts";
import { loadConfig } from "../config/load-config.ts";
import { ownStorageOf } from "../config/region-settings.ts";
import { ConfigError } from "../config/setting-error.ts";
import { silentLog } from "../lib/log.ts";
import { checkObjectStore } from "./check-object-store.ts";
import { checkOpenFiles } from "./check-open-files.ts";
import { openStores } from "./open-stores.ts";

/** One thing that was looked at, with a sentence for the operator either way. */
export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly message: string;
}

const lowSpaceBytes = 1_073_741_824;

/**
 * Looks at everything the registry needs before or while it runs: configuration, database, storage, free space, open files, port. Changes nothing but makes
 * folders and tables that are missing, as a start would. Never throws: what fails is a finding.
 */
export async function checkInstallation(options: {
  readonly configFile?: string;
}): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const look = async (name: string, work: () => Promise<string>): Promise<boolean> => {
    try {
      findings.push({ name, ok: true, message: await work() });
      return true;
    } catch (error) {
      findings.push({ name, ok: false, message: error instanceof Error ? error.message : String(error) });
      return false;
    }
  };
  let config: Config | undefined;
  try {
    config = await loadConfig(processEnvironment(), options.configFile);
    findings.push({ name: "configuration", ok: true, message: "every setting is of its form" });
  } catch (error) {
    const problems = error instanceof ConfigError ? error.problems : [String(error)];
    findings.push(...problems.map((message) => ({ name: "configuration", ok: false, message })));
  }
  if (config === undefined) return findings;
  const known = config;
  await look("stores", async () => checkStores(known));
  if (known.databaseReplicaUrl !== undefined) await look("database replica", async () => checkReplica(known));
  if (known.storageRegions.length === 0) {
    await look("object store", async () => (await checkObjectStore(known)) ?? "storage is no object store");
  }
  for (const region of known.storageRegions) {
    await look(`storage region ${region.name}`, async () => {
      const own = { ...known, ...ownStorageOf(region) };
      return (await checkObjectStore(own)) ?? "it is no object store";
    });
  }
  await look("free space", async () => checkSpace(known));
  await look("open files", async () => checkOpenFiles(known));
  await look("port", async () => checkPort(known));
  return findings;
}

async function checkStores(config: Config): Promise<string> {
  const stores = await openStores(config, silentLog);
  try {
    await stores.database.probe(5_000);
    await stores.blobs.probe();
    return `the database (${stores.database.engine}) answers, storage takes and gives back bytes`;
  } finally {
    await stores.close();
  }
}

async function checkReplica(config: Config): Promise<string> {
  const stores = await openStores(config, silentLog);
  try {
    const lagBytes = (await stores.database.replica?.probe()) ?? 0;
    const lag = lagBytes > 0 ? `${lagBytes} bytes behind` : "up to date";
    return `it is a standby of the database and ${lag}`;
  } finally {
    await stores.close();
  }
}

async function checkSpace(config: Config): Promise<string> {
  if (!config.storageUrl.startsWith("file:")) return "storage is not on a local disk";
  const { bavail, bsize } = await statfs(config.storageUrl.slice("file:".length));
  const free = bavail * bsize;
  if (free < lowSpaceBytes)
    throw new Error(`only ${Math.round(free / 1e6)} MB are free where blobs are kept`);
  return `${Math.round(free / 1e9)} GB are free where blobs are kept`;
}

/** Free, or served by a registry already; anything else there is in the way. */
async function checkPort(config: Config): Promise<string> {
  const scheme = config.tlsCertificate === undefined ? "http" : "https";
  const isFree = await new Promise<boolean>((resolve) => {
    const server = createServer()
      .once("error", () => resolve(false))
      .listen({ port: config.port, host: config.host }, () => server.close(() => resolve(true)));
  });
  if (isFree) return `port ${config.port} is free`;
  const health = await readHealth(scheme, config.port).catch(() => "");
  // Only an Entrepôt answers so.
  if (health.startsWith('{"status":') && health.includes('"parts":'))
    return `an Entrepôt answers on port ${config.port}`;
  throw new Error(`port ${config.port} is taken by another program, or this user may not listen on it`);
}

/** Not by `fetch`, which refuses ports that browsers do. The certificate need not be for "localhost": nothing secret is sent. */
function readHealth(scheme: "http" | "https", port: number): Promise<string> {
  const options = {
    host: "localhost",
    port,
    path: "/health/instance",
    timeout: 3_000,
    rejectUnauthorized: false,
  };
  return new Promise((resolve, reject) => {
    const get = scheme === "http" ? http.get : https.get;
    const request = get(options, (response) => {
      text(response).then(resolve, reject);
    });
    request.once("timeout", () => request.destroy(new Error("no answer")));
    request.once("error", reject);
  });
}
