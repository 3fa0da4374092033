import { numberSetting } from "./settings.ts";

/** How the process is watched and stopped. */
export const operationSettings = {
  drainDelaySeconds: numberSetting({
    key: "drainDelaySeconds",
    variable: "ENTREPOT_DRAIN_DELAY_SECONDS",
    defaultValue: 0,
    min: 0,
    max: 3_600,
    description:
      "After SIGTERM `/health/ready` and `/health/instance` answer 503 for so long before connections are refused: the time that a load balancer needs to notice.",
  }),
  slowRequestMs: numberSetting({
    key: "log.slowRequestMs",
    variable: "ENTREPOT_LOG_SLOW_REQUEST_MS",
    defaultValue: 5_000,
    min: 0,
    max: 3_600_000,
    description:
      "A request that takes at least so long and moves less than a mebibyte (the rest depends on the client's line) is written into the log as a warning. 0 = none.",
  }),
} as const;
