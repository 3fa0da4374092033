import { booleanSetting, choiceSetting, numberSetting } from "./settings.ts";

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
  sessionRecentMinutes: numberSetting({
    key: "sessions.recentMinutes",
    variable: "ENTREPOT_SESSION_RECENT_MINUTES",
    defaultValue: 10,
    min: 1,
    max: 1_440,
    description:
      "Before something dangerous, such as deleting a user, whoever uses a browser must have proved within so long that it is them.",
  }),
  tellOfNewNetworks: booleanSetting({
    key: "sessions.tellOfNewNetworks",
    variable: "ENTREPOT_TELL_OF_NEW_NETWORKS",
    defaultValue: true,
    description:
      "People with a verified address get a mail when their account is signed in to from a network (IPv4 /24, IPv6 /48) where it never was before.",
  }),
  mfaRequiredOf: choiceSetting({
    key: "mfa.requiredOf",
    variable: "ENTREPOT_MFA_REQUIRED_OF",
    choices: ["nobody", "administrators", "everybody"],
    defaultValue: "nobody",
    description:
      "Who must show a second factor to do anything on the management API but set one up; a provider's counts. An organization can ask for it, too.",
  }),
} as const;
