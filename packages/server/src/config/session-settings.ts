import { numberSetting } from "./settings.ts";

/** How long people stay signed in with a browser. */
export const sessionSettings = {
  sessionLifetimeHours: numberSetting({
    key: "sessions.lifetimeHours",
    variable: "ENTREPOT_SESSION_LIFETIME_HOURS",
    defaultValue: 168,
    min: 1,
    max: 8_760,
    description: "A browser is signed out after so long, whatever happens.",
  }),
  sessionIdleMinutes: numberSetting({
    key: "sessions.idleMinutes",
    variable: "ENTREPOT_SESSION_IDLE_MINUTES",
    defaultValue: 480,
    min: 5,
    max: 525_600,
    description: "A browser that nobody has used for so long is signed out.",
  }),
} as const;
