import { isObject } from "@entrepot/oci/json-object";
import type { CliContext } from "./cli-context.ts";
import { parseHostArgument } from "./image-argument.ts";
import { requestManagement } from "./management-request.ts";

/** The management API of one registry, as commands that list and change things use it. */
export interface ManagementClient {
  /** The answer, {} when there is none. */
  send(
    method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
    path: string,
    what: string,
    body?: object,
  ): Promise<Readonly<Record<string, unknown>>>;
  /** All entries of a listing, page by page. */
  list(path: string, field: string, what: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
}

/** Of the registry that is given, else of the default one; with the stored credentials unless another proof is given. */
export function managementClient(
  context: CliContext,
  registry: string | undefined,
  proof?: Readonly<Record<string, string>>,
): ManagementClient {
  const host = parseHostArgument(registry ?? context.environment.defaultHost);
  const send: ManagementClient["send"] = async (method, path, what, body) => {
    const answer = await requestManagement(context, host, {
      method,
      path,
      what,
      ...(body !== undefined && { body }),
      ...(proof !== undefined && { proof }),
    });
    return isObject(answer) ? answer : {};
  };
  return {
    send,
    async list(path, field, what) {
      const found: Readonly<Record<string, unknown>>[] = [];
      let next: unknown = path;
      while (typeof next === "string") {
        const page: Readonly<Record<string, unknown>> = await send("GET", next, what);
        const entries = page[field];
        if (Array.isArray(entries)) found.push(...entries.filter(isObject));
        next = page["next"];
      }
      return found;
    },
  };
}

/** Chosen fields of entries as the cells of a table; nothing for what is not there. */
export function cellsOf(
  entries: readonly Readonly<Record<string, unknown>>[],
  fields: readonly string[],
): readonly (readonly string[])[] {
  return entries.map((entry) =>
    fields.map((field) => {
      const value = entry[field];
      if (value === null || value === undefined) return "";
      if (field.endsWith("AtMs") && typeof value === "number") return new Date(value).toISOString();
      return typeof value === "string" ? value : JSON.stringify(value);
    }),
  );
}

/** All that is said of one thing, a field a line; what is not there is left out. */
export function rowsOf(entry: Readonly<Record<string, unknown>>): readonly (readonly string[])[] {
  const fields = Object.keys(entry).filter((field) => entry[field] !== null && entry[field] !== undefined);
  const [cells = []] = cellsOf([entry], fields);
  return fields.map((field, index) => [field, cells[index] ?? ""]);
}
