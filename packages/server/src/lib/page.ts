import { AppError } from "./app-error.ts";

/** One page of a listing by key: what comes after `last`, at most `limit` entries. */
export interface Page {
  readonly last: string | undefined;
  readonly limit: number;
}

/**
 * Reads `n` and `last` as OCI listings have them. A larger `n` than `maxLimit` is clamped; `n` that is no whole number is
 * `REQUEST_INVALID`; an empty `last` is none.
 */
export function parsePage(
  query: URLSearchParams,
  limits: { readonly defaultLimit: number; readonly maxLimit: number },
): Page {
  const n = query.get("n");
  const last = query.get("last");
  if (n !== null && !/^[0-9]{1,15}$/.test(n)) {
    throw new AppError("REQUEST_INVALID", "the page size `n` must be a whole number, 0 or more");
  }
  if (last !== null && (last.length > 1_024 || last.includes("\0"))) {
    throw new AppError("REQUEST_INVALID", "`last` must be the last name of the page before");
  }
  return {
    last: last === null || last === "" ? undefined : last,
    limit: n === null ? limits.defaultLimit : Math.min(Number(n), limits.maxLimit),
  };
}

/** The address of the page that follows: null = there is none. `lastKey` is the key of the last entry shown; `path` needs no escaping. */
export function nextPage(
  path: string,
  page: Page,
  shown: { readonly hasMore: boolean; readonly lastKey: string | undefined },
): string | null {
  if (!shown.hasMore || shown.lastKey === undefined) return null;
  return `${path}${path.includes("?") ? "&" : "?"}n=${page.limit}&last=${encodeURIComponent(shown.lastKey)}`;
}
