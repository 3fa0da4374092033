import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { isObject } from "@entrepot/oci/json-object";
import { UsageError } from "./usage-error.ts";

/** A sign-in provider as a file describes it. */
export interface ProviderInFile {
  readonly name: string;
  /** For the management API, with what lay in other files put in. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Undefined = the file says nothing of teams. */
  readonly teams: readonly TeamOfGroup[] | undefined;
}

export interface TeamOfGroup {
  /** "organization/team". */
  readonly team: string;
  readonly group: string;
}

/**
 * Reads `providers:` of a YAML or JSON file. `{file: PATH}` in the place of a text is the content of that file without its last line break, so that no
 * secret need lie in this one. `UsageError` for what is of another form.
 */
export async function readProvidersFile(path: string): Promise<readonly ProviderInFile[]> {
  const { parse } = await import("yaml");
  const value: unknown = parse(await readFile(path, "utf8"));
  const list = isObject(value) ? value["providers"] : undefined;
  if (!Array.isArray(list)) throw new UsageError(`${path} has no list named providers`);
  const found: ProviderInFile[] = [];
  for (const one of list) {
    const filled = await fillIn(one, dirname(resolve(path)));
    if (!isObject(filled) || typeof filled["name"] !== "string") {
      throw new UsageError(`a provider in ${path} has no name`);
    }
    const { name, teams, ...body } = filled;
    found.push({ name, body, teams: readTeams(teams, name) });
  }
  return found;
}

async function fillIn(value: unknown, folder: string): Promise<unknown> {
  if (Array.isArray(value)) return Promise.all(value.map((one) => fillIn(one, folder)));
  if (!isObject(value)) return value;
  const { file, ...others } = value;
  if (typeof file === "string" && Object.keys(others).length === 0) {
    return (await readFile(resolve(folder, file), "utf8")).replace(/\r?\n$/, "");
  }
  const entries = Object.entries(value).map(async ([key, one]) => [key, await fillIn(one, folder)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

function readTeams(value: unknown, name: string): ProviderInFile["teams"] {
  if (value === undefined) return undefined;
  const list = Array.isArray(value) ? value : [undefined];
  return list.map((one: unknown) => {
    const [team, group] = isObject(one) ? [one["team"], one["group"]] : [];
    if (typeof team !== "string" || typeof group !== "string") {
      throw new UsageError(`teams of ${name} are a list of {team: organization/team, group: its name there}`);
    }
    return { team, group };
  });
}
