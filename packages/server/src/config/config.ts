import { accountSettings } from "./account-settings.ts";
import { auditSettings } from "./audit-settings.ts";
import { credentialSettings } from "./credential-settings.ts";
import { databaseSettings } from "./database-settings.ts";
import { emailSettings } from "./email-settings.ts";
import { garbageSettings } from "./garbage-settings.ts";
import { jobSettings } from "./job-settings.ts";
import { keySettings } from "./key-settings.ts";
import { operationSettings } from "./operation-settings.ts";
import { organizationSettings } from "./organization-settings.ts";
import { outgoingSettings } from "./outgoing-settings.ts";
import { rateSettings } from "./rate-settings.ts";
import { regionSettings } from "./region-settings.ts";
import { sessionSettings } from "./session-settings.ts";
import {
  booleanSetting,
  choiceSetting,
  numberSetting,
  originSetting,
  type Setting,
  textSetting,
} from "./settings.ts";
import { storageSettings } from "./storage-settings.ts";
import { tracingSettings } from "./tracing-settings.ts";

/**
 * Every setting there is. `load-config.ts` reads them from the configuration file and the environment; `docs/reference/config.md`
 * is generated from this list.
 */
export const settings = {
  ...organizationSettings,
  host: textSetting({
    key: "host",
    variable: "ENTREPOT_HOST",
    defaultValue: "::",
    description:
      "Address to listen on. `::` means every interface, IPv4 and IPv6; `127.0.0.1` means this machine only.",
  }),
  port: numberSetting({
    key: "port",
    variable: "ENTREPOT_PORT",
    defaultValue: 5000,
    min: 0,
    max: 65535,
    description: "Port to listen on. 0 takes any free one, which the start-up line tells.",
  }),
  publicUrl: originSetting({
    key: "publicUrl",
    variable: "ENTREPOT_PUBLIC_URL",
    defaultValue: undefined,
    defaultText: "told from each request",
    description:
      "What clients call this registry. Needed when a proxy in front changes scheme or host and `trustProxy` is off: token clients are sent to this address.",
  }),
  dataDir: textSetting({
    key: "dataDir",
    variable: "ENTREPOT_DATA_DIR",
    defaultValue: "./data",
    description: "Folder for everything that the embedded defaults keep. Made when missing.",
  }),
  ...databaseSettings,
  ...storageSettings,
  ...keySettings,
  adminUsername: textSetting({
    key: "admin.username",
    variable: "ENTREPOT_ADMIN_USERNAME",
    defaultValue: "admin",
    description: "Name of the first administrator, created when there is no user yet.",
  }),
  adminPassword: textSetting({
    key: "admin.password",
    variable: "ENTREPOT_ADMIN_PASSWORD",
    defaultValue: undefined,
    defaultText: "generated and printed once",
    isSecret: true,
    description:
      "Password of the first administrator. Used only while there is no user; `entrepot admin create --reset` changes it later.",
  }),
  anonymousAccess: choiceSetting({
    key: "access.anonymous",
    variable: "ENTREPOT_ANONYMOUS_ACCESS",
    choices: ["none", "pull", "full"],
    defaultValue: "pull",
    description:
      "What nobody in particular may do: nothing; pull from public repositories; or everything, for a registry that only trusted machines can reach.",
  }),
  defaultNamespace: textSetting({
    key: "repositories.defaultNamespace",
    variable: "ENTREPOT_DEFAULT_NAMESPACE",
    defaultValue: "library",
    description: "Namespace that owns repositories whose name has a single component, such as `alpine`.",
  }),
  defaultVisibility: choiceSetting({
    key: "repositories.defaultVisibility",
    variable: "ENTREPOT_DEFAULT_VISIBILITY",
    choices: ["private", "internal", "public"],
    defaultValue: "private",
    description: "Visibility of repositories that a push creates in a new namespace.",
  }),
  sparseManifests: choiceSetting({
    key: "repositories.sparseManifests",
    variable: "ENTREPOT_SPARSE_MANIFESTS",
    choices: ["none", "indexes", "all"],
    defaultValue: "indexes",
    description:
      "What a pushed manifest may name without its being in the repository: nothing; entries of an index (other platforms that were not copied); or layers and configs, too. What is absent is told in a `Warning` header.",
  }),
  tokenService: textSetting({
    key: "token.service",
    variable: "ENTREPOT_TOKEN_SERVICE",
    defaultValue: "entrepot",
    description: "Service name in challenges and the audience of tokens.",
  }),
  tokenLifetimeSeconds: numberSetting({
    key: "token.lifetimeSeconds",
    variable: "ENTREPOT_TOKEN_LIFETIME_SECONDS",
    defaultValue: 300,
    min: 60,
    max: 86_400,
    description: "How long a bearer token is good. Clients fetch new ones by themselves.",
  }),
  signingKeyRotationDays: numberSetting({
    key: "token.keyRotationDays",
    variable: "ENTREPOT_TOKEN_KEY_ROTATION_DAYS",
    defaultValue: 30,
    min: 1,
    max: 3650,
    description:
      "After so many days a new key signs tokens; tokens of the old one stay good until they expire.",
  }),
  ...sessionSettings,
  ...rateSettings,
  ...garbageSettings,
  gcGraceSeconds: numberSetting({
    key: "gc.graceSeconds",
    variable: "ENTREPOT_GC_GRACE_SECONDS",
    defaultValue: 86_400,
    min: 0,
    max: 31_536_000,
    description:
      "How long content that nothing refers to is kept. Must be longer than the longest push: blobs come before the manifest that names them.",
  }),
  gcIntervalSeconds: numberSetting({
    key: "gc.intervalSeconds",
    variable: "ENTREPOT_GC_INTERVAL_SECONDS",
    defaultValue: 60,
    min: 0,
    max: 86_400,
    description: "How often the collector looks for work. 0 = only on request (`entrepot gc`).",
  }),
  gcUntaggedAfterDays: numberSetting({
    key: "gc.untaggedAfterDays",
    variable: "ENTREPOT_GC_UNTAGGED_AFTER_DAYS",
    defaultValue: 0,
    min: 0,
    max: 36_500,
    description:
      "Collect manifests that have had no tag for so many days. 0 = keep them: deployments pin digests. Entries of a deleted index and referrers of a deleted subject are always collected.",
  }),
  uploadExpiryHours: numberSetting({
    key: "uploads.expiryHours",
    variable: "ENTREPOT_UPLOAD_EXPIRY_HOURS",
    defaultValue: 24,
    min: 1,
    max: 8_760,
    description: "An upload that has not been touched for so long is dropped.",
  }),
  eventRetentionDays: numberSetting({
    key: "events.retentionDays",
    variable: "ENTREPOT_EVENT_RETENTION_DAYS",
    defaultValue: 30,
    min: 1,
    max: 3_650,
    description: "How long events are kept.",
  }),
  ...accountSettings,
  ...emailSettings,
  maxConnections: numberSetting({
    key: "limits.maxConnections",
    variable: "ENTREPOT_MAX_CONNECTIONS",
    defaultValue: 10_000,
    min: 1,
    max: 1_000_000,
    description: "Open client connections of one process; more are refused.",
  }),
  maxRequestsInFlight: numberSetting({
    key: "limits.maxRequestsInFlight",
    variable: "ENTREPOT_MAX_REQUESTS_IN_FLIGHT",
    defaultValue: 1_000,
    min: 1,
    max: 1_000_000,
    description: "Requests that one process works on at once; more are answered 429 with `Retry-After`.",
  }),
  requestTimeoutSeconds: numberSetting({
    key: "limits.requestTimeoutSeconds",
    variable: "ENTREPOT_REQUEST_TIMEOUT_SECONDS",
    defaultValue: 60,
    min: 1,
    max: 3_600,
    description: "How long the headers of a request, or its body where that is no blob, may take to arrive.",
  }),
  idleTimeoutSeconds: numberSetting({
    key: "limits.idleTimeoutSeconds",
    variable: "ENTREPOT_IDLE_TIMEOUT_SECONDS",
    defaultValue: 60,
    min: 1,
    max: 3_600,
    description: "A transfer in which no byte moves for so long is cut.",
  }),
  tlsCertificate: textSetting({
    key: "tls.certificate",
    variable: "ENTREPOT_TLS_CERTIFICATE",
    defaultValue: undefined,
    defaultText: "none: plain HTTP",
    description:
      "PEM file with the certificate chain; together with `tls.key` it turns TLS on. SIGHUP reads both again.",
  }),
  tlsKey: textSetting({
    key: "tls.key",
    variable: "ENTREPOT_TLS_KEY",
    defaultValue: undefined,
    description: "PEM file with the private key.",
  }),
  trustProxy: booleanSetting({
    key: "trustProxy",
    variable: "ENTREPOT_TRUST_PROXY",
    defaultValue: false,
    description:
      "Believe `X-Forwarded-Proto`, `-Host` and `-For` (of the last the last entry, which the nearest proxy wrote). Only behind a proxy that sets them itself: otherwise clients can.",
  }),
  workers: numberSetting({
    key: "workers",
    variable: "ENTREPOT_WORKERS",
    defaultValue: 1,
    min: 1,
    max: 256,
    description: "Processes that share the port. More than one helps on machines with idle cores.",
  }),
  sendfile: choiceSetting({
    key: "sendfile",
    variable: "ENTREPOT_SENDFILE",
    choices: ["auto", "off"],
    defaultValue: "auto",
    description:
      "Let the kernel send blobs from local files where it can (Linux, no TLS); `auto` falls back by itself.",
  }),
  logLevel: choiceSetting({
    key: "log.level",
    variable: "ENTREPOT_LOG_LEVEL",
    choices: ["error", "warn", "info", "debug"],
    defaultValue: "info",
    description: "Least important lines to write. `info` has one line for each request.",
  }),
  logFormat: choiceSetting({
    key: "log.format",
    variable: "ENTREPOT_LOG_FORMAT",
    choices: ["auto", "json", "text"],
    defaultValue: "auto",
    description:
      "One JSON object a line, or text for a person; `auto` is text at a terminal and JSON elsewhere.",
  }),
  metricsAccess: choiceSetting({
    key: "metrics.access",
    variable: "ENTREPOT_METRICS_ACCESS",
    choices: ["public", "administrator"],
    defaultValue: "public",
    description: "Who may read `/metrics`. It carries no names, only numbers.",
  }),
  drainSeconds: numberSetting({
    key: "drainSeconds",
    variable: "ENTREPOT_DRAIN_SECONDS",
    defaultValue: 30,
    min: 0,
    max: 3_600,
    description: "How long requests under way may take to finish after SIGTERM.",
  }),
  ...auditSettings,
  ...jobSettings,
  ...operationSettings,
  ...regionSettings,
  ...tracingSettings,
  ...credentialSettings,
  ...outgoingSettings,
} as const;

/** The parsed value of every setting. */
export type Settings = {
  readonly [K in keyof typeof settings]: (typeof settings)[K] extends Setting<infer T> ? T : never;
};

/** Every setting, parsed and checked, with what follows from others filled in. */
export interface Config extends Omit<Settings, "databaseUrl" | "storageUrl"> {
  readonly databaseUrl: string;
  readonly storageUrl: string;
}
