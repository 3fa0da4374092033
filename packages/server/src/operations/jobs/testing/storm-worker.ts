import { Registry } from "prom-client";
import { systemClock } from "../../../lib/clock.ts";
import { silentLog } from "../../../lib/log.ts";
import { openDatabase } from "../../../storage/database/open-database.ts";
import { createJobs } from "../jobs.ts";
import { stormKinds } from "./storm-kinds.ts";

/** An instance as a process of its own, to be killed: `storm-worker.ts URL NAME`. */
const [url = "", name = ""] = process.argv.slice(2);
const database = await openDatabase({ url, poolSize: 5, acquireTimeoutMs: 10_000, log: silentLog });
const jobs = createJobs({
  database,
  clock: systemClock,
  log: silentLog,
  instanceId: name,
  metrics: new Registry(),
  atOnce: 6,
  keptDoneMs: 1e9,
  keptFailedMs: 1e9,
  isAlone: false,
  times: { pollMs: 50, leaseMs: 1_000, beatMs: 200, stopMs: 500 },
  kinds: stormKinds(database),
});
await jobs.start();
// The runner's timers do not keep a process.
setInterval(() => {}, 1_000);
