import { AppError } from "../../lib/app-error.ts";

/** Where the content of a namespace may and must lie; undefined in both = as everywhere. */
export interface NamespacePlacement {
  /** The only regions in which it may lie; undefined = any. */
  readonly allowed: readonly string[] | undefined;
  /** Those that it is copied to; undefined = those that are allowed and copied to by default. */
  readonly copies: readonly string[] | undefined;
}

/** The regions that this program is configured with. */
export interface KnownRegions {
  /** The own one first, then in order of preference. */
  readonly names: readonly string[];
  /** Those that everything is copied to that is not said to lie elsewhere. */
  readonly byDefault: ReadonlySet<string>;
  /** Those that are being emptied: nothing may lie there any more. Absent = none. */
  readonly retiring?: ReadonlySet<string>;
}

export const everywhere: NamespacePlacement = { allowed: undefined, copies: undefined };

/** Where it may lie, in order of preference. */
export function allowedRegions(known: KnownRegions, placement: NamespacePlacement): readonly string[] {
  const { allowed } = placement;
  return known.names.filter(
    (name) => known.retiring?.has(name) !== true && (allowed === undefined || allowed.includes(name)),
  );
}

/** Where it is to be copied; where it was pushed it lies in any case. */
export function wantedRegions(known: KnownRegions, placement: NamespacePlacement): readonly string[] {
  const allowed = allowedRegions(known, placement);
  const { copies } = placement;
  if (copies !== undefined) return allowed.filter((name) => copies.includes(name));
  const usual = allowed.filter((name) => known.byDefault.has(name));
  return usual.length > 0 ? usual : allowed;
}

/** `REQUEST_INVALID` for regions that are not there or are being emptied, for copies where it may not lie, and for nowhere at all. */
export function checkPlacement(known: KnownRegions, placement: NamespacePlacement): void {
  const { allowed, copies } = placement;
  for (const name of [...(allowed ?? []), ...(copies ?? [])]) {
    if (!known.names.includes(name)) {
      throw new AppError(
        "REQUEST_INVALID",
        `there is no storage region ${name}; there are ${known.names.toSorted().join(", ")}`,
      );
    }
  }
  const named = [...(allowed ?? []), ...(copies ?? [])];
  const retiring = named.find((name) => known.retiring?.has(name) === true);
  if (retiring !== undefined) {
    throw new AppError(
      "REQUEST_INVALID",
      `the storage region ${retiring} is retired: nothing new goes there`,
    );
  }
  if (allowed?.length === 0) {
    throw new AppError("REQUEST_INVALID", "content must be allowed in one storage region at least");
  }
  const forbidden = copies?.find((name) => allowed !== undefined && !allowed.includes(name));
  if (forbidden !== undefined) {
    throw new AppError("REQUEST_INVALID", `content cannot be copied to ${forbidden}, where it may not lie`);
  }
}
