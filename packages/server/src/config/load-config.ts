import { readFileSync } from "node:fs";
import { join } from "node:path";
import { accountProblems } from "./account-settings.ts";
import { type Config, type Settings, settings } from "./config.ts";
import { databaseProblems } from "./database-settings.ts";
import { emailProblems } from "./email-settings.ts";
import { ownStorageOf, regionProblems, withKeys } from "./region-settings.ts";
import { ConfigError, SettingError } from "./setting-error.ts";
import type { Setting } from "./settings.ts";
import { storageProblems } from "./storage-settings.ts";

const maxFileBytes = 1_048_576;
const fileVariable = "ENTREPOT_CONFIG";
/** Variables that are not settings but ours all the same, so that they are not taken for a misspelt one. */
const otherVariables = new Set([fileVariable]);

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The configuration: defaults, then the file (`--config`, or `ENTREPOT_CONFIG`), then the environment. A variable
 * `X_FILE` names a file with the value of `X`, for secrets. Throws `ConfigError` with everything that is wrong: unknown keys and
 * variables, values that are not of their form, combinations that cannot work. An empty variable counts as not set.
 */
export async function loadConfig(environment: Environment, configFile?: string): Promise<Config> {
  const problems: string[] = [];
  const path = configFile ?? environment[fileVariable];
  const fromFile =
    path === undefined || path === "" ? new Map<string, string>() : await readFile(path, problems);
  const fromEnvironment = readEnvironment(environment, problems);
  const parsed = parseSettings(fromFile, fromEnvironment, problems);
  if ((parsed.tlsCertificate === undefined) !== (parsed.tlsKey === undefined)) {
    problems.push("tls.certificate and tls.key go together: one is set, the other is not");
  }
  problems.push(
    ...databaseProblems(parsed),
    ...emailProblems(parsed),
    ...accountProblems(parsed),
    ...storageProblems(parsed),
    ...regionProblems(parsed),
  );
  if (problems.length > 0) throw new ConfigError(problems);
  const storageRegions = withKeys(parsed.storageRegions, parsed);
  const own = storageRegions.find(({ name }) => name === parsed.storageRegion);
  return {
    ...parsed,
    storageRegions,
    databaseUrl: parsed.databaseUrl ?? `sqlite:${join(parsed.dataDir, "entrepot.db")}`,
    storageUrl: parsed.storageUrl ?? `file:${join(parsed.dataDir, "storage")}`,
    ...(own !== undefined && ownStorageOf(own)),
  };
}

function parseSettings(
  fromFile: ReadonlyMap<string, string>,
  fromEnvironment: ReadonlyMap<string, string>,
  problems: string[],
): Settings {
  const values = Object.entries<Setting<unknown>>(settings).map(([name, setting]) => {
    const inEnvironment = fromEnvironment.get(setting.variable);
    const text = inEnvironment ?? fromFile.get(setting.key);
    if (text === undefined) return [name, setting.defaultValue] as const;
    try {
      return [name, setting.parse(text)] as const;
    } catch (error) {
      if (!(error instanceof SettingError)) throw error;
      problems.push(`${inEnvironment === undefined ? setting.key : setting.variable} ${error.message}`);
      return [name, setting.defaultValue] as const;
    }
  });
  // as: one entry for each key of `settings`, parsed by that key's own parser.
  return Object.fromEntries(values) as Settings;
}

function readEnvironment(environment: Environment, problems: string[]): ReadonlyMap<string, string> {
  const known = new Set(Object.values<Setting<unknown>>(settings).map((setting) => setting.variable));
  const values = new Map<string, string>();
  for (const [variable, text] of Object.entries(environment)) {
    if (text === undefined || text === "") continue;
    if (!variable.startsWith("ENTREPOT_")) {
      // Names that a standard gives (OTEL_…): what is no setting of ours is somebody else's.
      if (known.has(variable)) values.set(variable, text);
      continue;
    }
    if (
      otherVariables.has(variable) ||
      variable.startsWith("ENTREPOT_TEST_") ||
      variable.startsWith("ENTREPOT_CLI_")
    )
      continue;
    const base = variable.endsWith("_FILE") ? variable.slice(0, -"_FILE".length) : variable;
    if (known.has(variable)) values.set(variable, text);
    else if (known.has(base)) {
      const content = readSecretFile(variable, text, problems);
      if (content !== undefined && !environment[base]) values.set(base, content);
    } else problems.push(`${variable} is no setting${suggestion(variable, [...known])}`);
  }
  return values;
}

function readSecretFile(variable: string, path: string, problems: string[]): string | undefined {
  try {
    return readFileSync(path, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    problems.push(`${variable} names a file that cannot be read: ${path} (${codeOf(error)})`);
    return undefined;
  }
}

async function readFile(path: string, problems: string[]): Promise<ReadonlyMap<string, string>> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    problems.push(`the configuration file ${path} cannot be read (${codeOf(error)})`);
    return new Map();
  }
  if (text.length > maxFileBytes) {
    problems.push(`the configuration file ${path} is larger than ${maxFileBytes} bytes`);
    return new Map();
  }
  const { LineCounter, parseDocument } = await import("yaml");
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: true });
  if (document.errors.length > 0) {
    for (const error of document.errors) {
      problems.push(`${path}: ${error.message.split("\n")[0]}`);
    }
    return new Map();
  }
  const values = new Map<string, string>();
  flatten(document.toJS({ maxAliasCount: 10 }), "", values);
  const known = Object.values<Setting<unknown>>(settings).map((setting) => setting.key);
  for (const key of values.keys()) {
    if (!known.includes(key)) problems.push(`${path}: ${key} is no setting${suggestion(key, known)}`);
  }
  return values;
}

function flatten(value: unknown, prefix: string, into: Map<string, string>): void {
  if (value === null || value === undefined) return;
  if (typeof value === "object" && !Array.isArray(value)) {
    for (const [key, child] of Object.entries(value)) {
      flatten(child, prefix === "" ? key : `${prefix}.${key}`, into);
    }
    return;
  }
  into.set(prefix, typeof value === "string" ? value : JSON.stringify(value));
}

/** "; did you mean X?" for a name one or two slips away from a known one. */
function suggestion(name: string, known: readonly string[]): string {
  const near = known
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((left, right) => left.distance - right.distance)[0];
  return near !== undefined && near.distance <= 3 ? `; did you mean ${near.candidate}?` : "";
}

function editDistance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let i = 1; i <= left.length; i++) {
    const next = [i];
    for (let j = 1; j <= right.length; j++) {
      const change = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, change));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : String(error);
}
