import { numberSetting } from "./settings.ts";

/** Garbage collection; what it keeps is set in config.ts. */
export const garbageSettings = {
  gcLoadPercent: numberSetting({
    key: "gc.loadPercent",
    variable: "ENTREPOT_GC_LOAD_PERCENT",
    defaultValue: 50,
    min: 1,
    max: 100,
    description:
      "How much of the time garbage collection works. After each batch it rests in proportion to how long the batch took, so a busy database is asked less often.",
  }),
};
