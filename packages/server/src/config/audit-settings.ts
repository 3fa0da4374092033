import { booleanSetting, choiceSetting, numberSetting } from "./settings.ts";

/** What is written into the audit log, and how long it is kept. */
export const auditSettings = {
  auditPulls: choiceSetting({
    key: "audit.pulls",
    variable: "ENTREPOT_AUDIT_PULLS",
    choices: ["all", "sampled", "off"],
    defaultValue: "all",
    description:
      "Whether pulls of manifests are written into the audit log, anonymous ones included: each; one in `audit.pullsOneIn`; or none.",
  }),
  auditPullsOneIn: numberSetting({
    key: "audit.pullsOneIn",
    variable: "ENTREPOT_AUDIT_PULLS_ONE_IN",
    defaultValue: 100,
    min: 1,
    max: 1_000_000,
    description: "With `audit.pulls: sampled`: one pull in so many is written down.",
  }),
  auditPullsWindowSeconds: numberSetting({
    key: "audit.pullsWindowSeconds",
    variable: "ENTREPOT_AUDIT_PULLS_WINDOW_SECONDS",
    defaultValue: 60,
    min: 0,
    max: 3_600,
    description:
      "Pulls of one manifest by one credential from one address within so long after the first are one entry with their number. 0 = each pull is an entry.",
  }),
  auditDenials: choiceSetting({
    key: "audit.denials",
    variable: "ENTREPOT_AUDIT_DENIALS",
    choices: ["on", "off"],
    defaultValue: "on",
    description:
      "Whether it is written down that somebody in particular was refused (401, 403, 429); beyond 100 a minute from one address they are counted only.",
  }),
  auditRetentionDays: numberSetting({
    key: "audit.retentionDays",
    variable: "ENTREPOT_AUDIT_RETENTION_DAYS",
    defaultValue: 0,
    min: 0,
    max: 36_500,
    description: "How long audit entries are kept. 0 = for ever.",
  }),
  auditAnchorMinutes: numberSetting({
    key: "audit.anchorMinutes",
    variable: "ENTREPOT_AUDIT_ANCHOR_MINUTES",
    defaultValue: 60,
    min: 1,
    max: 1_440,
    description:
      "How often the signed end of the audit log's chain is written into the process's log and sent to the forwarders, if there are new entries.",
  }),
  auditPlainSyslog: booleanSetting({
    key: "audit.plainSyslog",
    variable: "ENTREPOT_AUDIT_PLAIN_SYSLOG",
    defaultValue: false,
    description:
      "Let administrators forward the audit log to syslog receivers without TLS: whoever is in between reads and changes it.",
  }),
} as const;
