import { randomBytes } from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { processEnvironment } from "../config/environment.ts";
import { loadConfig } from "../config/load-config.ts";
import { AppError } from "../lib/app-error.ts";
import { silentLog } from "../lib/log.ts";
import { resealSecrets } from "../operations/keys/reseal-secrets.ts";
import { countHashedBefore, countSealedOtherwise, sealedPlaces } from "../operations/keys/sealed-store.ts";
import { findFact } from "../storage/database/fact-store.ts";
import { openStores, type Stores, secretKeyOptionsOf } from "./open-stores.ts";
import { newKeyText, parseKeys, type SecretKeyOptions, secretKeySinceFact } from "./secret-key.ts";

export const keySteps = ["add", "use", "reseal", "retire"] as const;
export type KeyStep = (typeof keySteps)[number];

export interface KeyStatus {
  readonly source: "settings" | "command" | "file";
  /** The present one's first. */
  readonly fingerprints: readonly string[];
  readonly presentSince: string | undefined;
  /** Secrets that another key has sealed: `reseal` brings them to 0. */
  readonly sealedOtherwise: number;
  /** Secrets of credentials that only an older key recognises: they stop working when it is retired. */
  readonly credentialsOfOlderKeys: number;
  readonly sessionsOfOlderKeys: number;
}

export interface KeyRotation {
  readonly status: KeyStatus;
  readonly resealed: number;
  readonly lost: readonly string[];
  /** A key that was made and is to be put into the settings by hand. */
  readonly newKey: string | undefined;
}

/** How long every process has had to read a changed file, with some to spare. */
const settleMs = 5_000;

/** Which keys there are, and what still needs older ones. */
export async function keyStatus(options: { readonly configFile?: string }): Promise<KeyStatus> {
  return withStores(options, statusOf);
}

/**
 * Takes the steps in order. `add`: a new key that opens and does not seal yet. `use`: the newest seals and hashes. `reseal`: what others have sealed is sealed with
 * it. `retire`: all others go; `IN_USE` while something needs them, unless `isForced`. With keys in the settings or from a command only `reseal` is
 * done here, and `add` makes a key to be put there. Between steps the processes have five seconds to read the file; processes on other machines need its copy before the
 * next step, so there take the steps one by one.
 */
export async function rotateKeys(options: {
  readonly configFile?: string;
  readonly steps: readonly KeyStep[];
  readonly isForced: boolean;
  readonly signal: AbortSignal;
}): Promise<KeyRotation> {
  const config = await loadConfig(processEnvironment(), options.configFile);
  const source = secretKeyOptionsOf(config);
  let resealed = 0;
  let lost: readonly string[] = [];
  let newKey: string | undefined;
  for (const [index, step] of options.steps.entries()) {
    if (index > 0 && step !== "retire") await wait(settleMs, undefined, { signal: options.signal });
    switch (step) {
      case "add":
        if (isFile(source)) await changeFile(source.file, (keys) => [...keys, newKeyText()]);
        else newKey = newKeyText();
        break;
      case "use":
        checkFile(source, "put the new key first there");
        await changeFile(source.file, (keys) => [...keys.slice(-1), ...keys.slice(0, -1)]);
        break;
      case "reseal":
        ({ resealed, lost } = await withStores(options, (stores) => resealSecrets(stores, options.signal)));
        break;
      case "retire":
        checkFile(
          source,
          "take the older keys away there, once `entrepot keys status` says that nothing needs them",
        );
        if (!options.isForced) checkUnneeded(await withStores(options, statusOf));
        await changeFile(source.file, (keys) => keys.slice(0, 1));
        break;
    }
  }
  return { status: await withStores(options, statusOf), resealed, lost, newKey };
}

async function withStores<T>(
  options: { readonly configFile?: string },
  work: (stores: Stores & { readonly source: SecretKeyOptions }) => Promise<T>,
): Promise<T> {
  const config = await loadConfig(processEnvironment(), options.configFile);
  const stores = await openStores(config, silentLog);
  try {
    return await work({ ...stores, source: secretKeyOptionsOf(config) });
  } finally {
    await stores.close();
  }
}

async function statusOf(stores: Stores & { readonly source: SecretKeyOptions }): Promise<KeyStatus> {
  const { database, secretBox, clock, source } = stores;
  const { fingerprints } = secretBox;
  const [present = ""] = fingerprints;
  let sealedOtherwise = 0;
  for (const place of sealedPlaces) {
    sealedOtherwise += await countSealedOtherwise(database.read, place, present);
  }
  const since = await findFact(database.read, secretKeySinceFact);
  const older = await countHashedBefore(database.read, Number(since ?? 0), clock.nowMs());
  return {
    source: isFile(source) ? "file" : source.secretKey === undefined ? "command" : "settings",
    fingerprints,
    presentSince: since === undefined ? undefined : new Date(Number(since)).toISOString(),
    sealedOtherwise,
    credentialsOfOlderKeys: older.credentials,
    sessionsOfOlderKeys: older.sessions,
  };
}

function checkUnneeded(status: KeyStatus): void {
  const { sealedOtherwise, credentialsOfOlderKeys, sessionsOfOlderKeys } = status;
  if (sealedOtherwise + credentialsOfOlderKeys + sessionsOfOlderKeys === 0) return;
  throw new AppError(
    "IN_USE",
    `the older keys are needed by ${sealedOtherwise} sealed secrets, ${credentialsOfOlderKeys} credentials and ${sessionsOfOlderKeys} sessions; rotate the credentials, or retire the keys by force and these stop working`,
  );
}

function isFile(source: SecretKeyOptions): boolean {
  return source.secretKey === undefined && source.command === undefined;
}

function checkFile(source: SecretKeyOptions, otherwise: string): void {
  if (isFile(source)) return;
  throw new AppError(
    "UNSUPPORTED",
    `the keys do not come from the data folder but from the settings: ${otherwise}`,
  );
}

/** Replaces the file so that a reader sees the old or the new one. */
async function changeFile(
  file: string,
  change: (keys: readonly string[]) => readonly string[],
): Promise<void> {
  const keys = (await readFile(file, "utf8"))
    .split(/[,\n]/)
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const text = `${change(keys).join("\n")}\n`;
  parseKeys(text);
  const unfinished = `${file}.${randomBytes(6).toString("hex")}`;
  const handle = await open(unfinished, "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(unfinished, file);
  const folder = await open(dirname(file), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
