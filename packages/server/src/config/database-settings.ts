import { choiceSetting, numberSetting, textSetting } from "./settings.ts";

/** Where metadata is kept, and how long is waited for it. */
export const databaseSettings = {
  databaseUrl: textSetting({
    key: "database.url",
    variable: "ENTREPOT_DATABASE_URL",
    defaultValue: undefined,
    defaultText: "`sqlite:` in the data folder",
    isSecret: true,
    description:
      "`sqlite:PATH`, or `postgres://user:password@host:port/database` for any number of instances.",
  }),
  databasePasswordFile: textSetting({
    key: "database.passwordFile",
    variable: "ENTREPOT_DATABASE_PASSWORD_FILE",
    defaultValue: undefined,
    defaultText: "none: the password in the URL, if any",
    description:
      "File with the password of the PostgreSQL user. Read for each new connection: a password changes without a restart.",
  }),
  databaseReplicaUrl: textSetting({
    key: "database.replicaUrl",
    variable: "ENTREPOT_DATABASE_REPLICA_URL",
    defaultValue: undefined,
    defaultText: "none",
    isSecret: true,
    description:
      "A streaming standby of the PostgreSQL database, of the same form as `database.url` and with the same password file. It answers listings, audit queries and counts when it is up to date.",
  }),
  databaseMigrate: choiceSetting({
    key: "database.migrate",
    variable: "ENTREPOT_DATABASE_MIGRATE",
    choices: ["auto", "off"],
    defaultValue: "auto",
    description:
      "Whether a starting process brings the tables up to date; `off` = it refuses to start until `entrepot migrate up` has done so, for those who run that as a job of its own.",
  }),
  databasePoolSize: numberSetting({
    key: "database.poolSize",
    variable: "ENTREPOT_DATABASE_POOL_SIZE",
    defaultValue: 10,
    min: 1,
    max: 1000,
    description:
      "PostgreSQL connections of one process for its work; two more listen for news and check health. SQLite does not use it.",
  }),
  databaseAcquireTimeoutMs: numberSetting({
    key: "database.acquireTimeoutMs",
    variable: "ENTREPOT_DATABASE_ACQUIRE_TIMEOUT_MS",
    defaultValue: 10_000,
    min: 100,
    max: 600_000,
    description:
      "How long a request waits for a database connection before it is answered 503 with `Retry-After`.",
  }),
};

/** What is wrong with the database settings together. */
export function databaseProblems(values: {
  readonly databaseUrl: string | undefined;
  readonly databaseReplicaUrl: string | undefined;
}): readonly string[] {
  const { databaseUrl = "sqlite:", databaseReplicaUrl } = values;
  if (databaseReplicaUrl === undefined) return [];
  if (databaseUrl.startsWith("sqlite:"))
    return ["database.replicaUrl is for PostgreSQL; SQLite has no replicas"];
  return /^postgres(ql)?:\/\//.test(databaseReplicaUrl)
    ? []
    : ["database.replicaUrl begins with postgres://"];
}
