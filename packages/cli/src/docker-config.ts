import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, realpath, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Credentials } from "@entrepot/client/credentials";
import { isObject } from "@entrepot/oci/json-object";
import { eraseFromHelper, getFromHelper, storeInHelper } from "./credential-helper.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/** Docker's own registry has had this key since its first version. */
const hubKey = "https://index.docker.io/v1/";
const hubHosts: readonly string[] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

function keyOf(host: string): string {
  return hubHosts.includes(host) ? hubKey : host;
}

/**
 * Finds what docker's `config.json` knows of a registry: by its credential helper where one is set for it, else in the file. Undefined = nothing.
 * An `Error` when the file cannot be read as JSON or the helper fails.
 */
export async function findCredentials(configDir: string, host: string): Promise<Credentials | undefined> {
  const config = await readConfig(configDir);
  const helper = helperOf(config, host);
  const key = keyOf(host);
  if (helper !== undefined) {
    const found = await getFromHelper(helper, key);
    return found === undefined ? undefined : toCredentials(found.username, found.secret);
  }
  const auths = objectOf(config["auths"]);
  // docker has written addresses instead of hosts, too.
  const entry = [key, `https://${key}`, `http://${key}`, `https://${key}/v2/`]
    .map((name) => auths[name])
    .find(isObject);
  return entry === undefined ? undefined : parseEntry(entry);
}

function parseEntry(entry: JsonObject): Credentials | undefined {
  const token = entry["identitytoken"];
  if (typeof token === "string" && token !== "") return { kind: "refresh-token", token };
  const registryToken = entry["registrytoken"];
  if (typeof registryToken === "string" && registryToken !== "")
    return { kind: "bearer", token: registryToken };
  const auth = entry["auth"];
  const decoded = typeof auth === "string" ? Buffer.from(auth, "base64").toString("utf8") : "";
  const colon = decoded.indexOf(":");
  // docker pads with NUL characters, which belong to neither part.
  if (colon > 0) return toCredentials(decoded.slice(0, colon), decoded.slice(colon + 1).replace(/\0+$/, ""));
  const { username, password } = entry;
  if (typeof username === "string" && username !== "" && typeof password === "string") {
    return toCredentials(username, password);
  }
  return undefined;
}

function toCredentials(username: string, password: string): Credentials {
  return username === "<token>"
    ? { kind: "refresh-token", token: password }
    : { kind: "password", username, password };
}

/** Keeps a password for a registry where docker keeps it. Returns the helper that has it, or the file's path. Replaces what was there. */
export async function saveCredentials(
  configDir: string,
  host: string,
  credentials: { readonly username: string; readonly password: string },
): Promise<string> {
  const config = await readConfig(configDir);
  const helper = helperOf(config, host);
  const key = keyOf(host);
  const { username, password } = credentials;
  const auths = objectOf(config["auths"]);
  if (helper !== undefined) {
    await storeInHelper(helper, key, { username, secret: password });
    // docker lists the registry so that `logout` finds it; the secret is with the helper alone.
    await writeConfig(configDir, { ...config, auths: { ...auths, [key]: {} } });
    return `the credential helper ${helper}`;
  }
  const auth = Buffer.from(`${username}:${password}`, "utf8").toString("base64");
  return writeConfig(configDir, { ...config, auths: { ...auths, [key]: { auth } } });
}

/** Forgets a registry. False when nothing was known of it. */
export async function removeCredentials(configDir: string, host: string): Promise<boolean> {
  const config = await readConfig(configDir);
  const helper = helperOf(config, host);
  const key = keyOf(host);
  if (helper !== undefined) await eraseFromHelper(helper, key);
  const { [key]: known, ...others } = objectOf(config["auths"]);
  if (known === undefined) return helper !== undefined;
  await writeConfig(configDir, { ...config, auths: others });
  return true;
}

function helperOf(config: JsonObject, host: string): string | undefined {
  const helper = objectOf(config["credHelpers"])[keyOf(host)] ?? config["credsStore"];
  return typeof helper === "string" && helper !== "" ? helper : undefined;
}

function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

async function readConfig(configDir: string): Promise<JsonObject> {
  const path = join(configDir, "config.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return {};
    throw error;
  }
  let value: unknown;
  try {
    value = text.trim() === "" ? {} : JSON.parse(text);
  } catch (cause) {
    throw new Error(`${path} is not JSON; nothing was changed`, { cause });
  }
  if (!isObject(value)) throw new Error(`${path} holds no JSON object; nothing was changed`);
  return value;
}

/** Whole or not at all: written beside, synced, and renamed. A link is followed, so a file kept elsewhere stays there. */
async function writeConfig(configDir: string, config: JsonObject): Promise<string> {
  await mkdir(configDir, { recursive: true, mode: 0o700 });
  const path = join(configDir, "config.json");
  const target = await realpath(path).catch(() => path);
  const temporary = join(dirname(target), `.config.json.${randomBytes(8).toString("hex")}`);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(`${JSON.stringify(config, undefined, "\t")}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return path;
}
