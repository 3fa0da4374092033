import { processEnvironment } from "../config/environment.ts";
import { loadConfig } from "../config/load-config.ts";
import { silentLog } from "../lib/log.ts";
import { verifiedRegions } from "../operations/regions/verified-regions.ts";
import type { VerifyOptions } from "../operations/verify/verify-deps.ts";
import {
  type VerifyProgress,
  type VerifyReport,
  verifyEverything,
} from "../operations/verify/verify-everything.ts";
import { openStores } from "./open-stores.ts";

export type { Problem } from "../operations/verify/problem.ts";
export type { VerifyReport } from "../operations/verify/verify-everything.ts";

/** Checks the registry that the configuration names, which may be running. See `verifyEverything`. */
export async function verify(
  options: VerifyOptions & {
    readonly configFile?: string;
    readonly resume: boolean;
    readonly onProgress: (progress: VerifyProgress) => void;
  },
): Promise<VerifyReport> {
  const config = await loadConfig(processEnvironment(), options.configFile);
  const stores = await openStores(config, silentLog);
  try {
    const strayGraceMs = Math.max(config.gcGraceSeconds * 1_000, config.uploadExpiryHours * 3_600_000);
    const { regional } = stores;
    const regions = regional === undefined ? undefined : verifiedRegions(regional, stores);
    return await verifyEverything(
      { ...stores, regions, sparse: config.sparseManifests, strayGraceMs },
      options,
    );
  } finally {
    await stores.close();
  }
}
