import { AppError } from "../../../lib/app-error.ts";
import { parsePartBytes, parsePrefix, takeParameters } from "../objects/storage-url.ts";

/** What a `swift:` url says. */
export interface SwiftPlace {
  readonly container: string;
  /** Empty, or ends in a slash. */
  readonly prefix: string;
  /** Where tokens are had: `…/auth/v1.0` of TempAuth, or `…/v3` of Keystone. */
  readonly authUrl: string;
  readonly authVersion: 1 | 3;
  /** Keystone only. */
  readonly userDomain: string;
  readonly project: string | undefined;
  readonly projectDomain: string;
  readonly region: string | undefined;
  /** The account's or container's key for signed addresses; undefined = none are given out. */
  readonly tempUrlKey: string | undefined;
  readonly partBytes: number;
}

const known = ["auth", "userDomain", "project", "projectDomain", "region", "partMiB"] as const;

/**
 * Parses `swift://CONTAINER/PREFIX?auth=https://…`; the parameters are described in docs/guide/object-storage.md. `REQUEST_INVALID` with a
 * sentence for anything else.
 */
export function parseSwiftUrl(text: string, tempUrlKey: string | undefined): SwiftPlace {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "swift:" || !/^[A-Za-z0-9._-]{1,200}$/.test(url.hostname)) {
    throw invalid("a Swift url is swift://CONTAINER/PREFIX?auth=https://…");
  }
  if (url.username !== "" || url.password !== "") {
    throw invalid("keys do not belong into a Swift url: set storage.accessKey and storage.secretKey");
  }
  const parameters = takeParameters(url, known);
  const auth = parameters.get("auth") ?? "";
  const version = /\/v3\/?$/.test(auth) ? 3 : /\/v1(?:\.0)?\/?$/.test(auth) ? 1 : undefined;
  if (!URL.canParse(auth) || !/^https?:/.test(auth) || version === undefined) {
    throw invalid("auth in a Swift url is an address that ends in /v3 (Keystone) or /v1.0");
  }
  const project = parameters.get("project");
  if (version === 3 && project === undefined)
    throw invalid("a Swift url with Keystone (…/v3) names the project");
  return {
    container: url.hostname,
    prefix: parsePrefix(url),
    authUrl: auth.replace(/\/$/, ""),
    authVersion: version,
    userDomain: parameters.get("userDomain") ?? "Default",
    project,
    projectDomain: parameters.get("projectDomain") ?? "Default",
    region: parameters.get("region"),
    tempUrlKey,
    partBytes: parsePartBytes(parameters),
  };
}

function invalid(sentence: string): AppError {
  return new AppError("REQUEST_INVALID", sentence);
}
