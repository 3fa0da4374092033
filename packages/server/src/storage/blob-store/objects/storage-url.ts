import { AppError } from "../../../lib/app-error.ts";

/** The parameters of a storage url; `REQUEST_INVALID` for one that is not among `known`, or is given twice. */
export function takeParameters<const T extends string>(
  url: URL,
  known: readonly T[],
): ReadonlyMap<T, string> {
  const taken = new Map<T, string>();
  for (const [name, value] of url.searchParams) {
    const parameter = known.find((candidate) => candidate === name);
    if (parameter === undefined) {
      throw new AppError(
        "REQUEST_INVALID",
        `a storage url of this kind has no parameter ${name}; it has ${known.join(", ")}`,
      );
    }
    if (taken.has(parameter)) throw new AppError("REQUEST_INVALID", `the storage url has ${name} twice`);
    if (value !== "") taken.set(parameter, value);
  }
  return taken;
}

/** The path of a storage url as a prefix of keys: empty, or with a slash at its end. */
export function parsePrefix(url: URL): string {
  const path = url.pathname.replace(/^\/+|\/+$/g, "");
  if (!/^[A-Za-z0-9._/-]{0,200}$/.test(path) || path.split("/").some((part) => part === "..")) {
    throw new AppError(
      "REQUEST_INVALID",
      "the prefix in a storage url has letters, digits, '.', '_', '-' and '/' only",
    );
  }
  return path === "" ? "" : `${path}/`;
}

/** `partMiB`: the size of the parts of large objects. S3 takes none under 5 MiB but the last. */
export function parsePartBytes(parameters: ReadonlyMap<string, string>): number {
  const text = parameters.get("partMiB") ?? "8";
  const mib = /^[0-9]{1,3}$/.test(text) ? Number(text) : 0;
  if (mib < 5 || mib > 512)
    throw new AppError("REQUEST_INVALID", "partMiB in a storage url is a number from 5 to 512");
  return mib * 1_048_576;
}
