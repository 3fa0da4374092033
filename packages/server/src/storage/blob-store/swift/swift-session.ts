import { AppError } from "../../../lib/app-error.ts";
import { explainUnreachable } from "../objects/explain-unreachable.ts";
import type { StorageKeys } from "../objects/storage-keys.ts";
import type { SwiftPlace } from "./parse-swift-url.ts";

/** A token, and the account's address that it is good for. */
interface SwiftToken {
  readonly token: string;
  readonly storageUrl: string;
}

/** Signs in when it must, and again when the service no longer takes the token. */
export interface SwiftSession {
  /** One request below the account's address, with a token; tried again when the failure is passing. The caller reads or cancels the body. */
  request(path: string, init: SwiftRequest): Promise<Response>;
  /** The account's address. */
  storageUrl(): Promise<string>;
}

export interface SwiftRequest {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

const attempts = 4;
const headMs = 60_000;
const passing = new Set([408, 429, 498, 500, 502, 503, 504]);

export function createSwiftSession(
  place: SwiftPlace,
  readKeys: () => Promise<StorageKeys>,
  pause: (ms: number) => Promise<void>,
): SwiftSession {
  let signedIn: Promise<SwiftToken> | undefined;

  async function once(path: string, init: SwiftRequest): Promise<Response> {
    signedIn ??= signIn(place, readKeys);
    const mine = signedIn;
    try {
      const { token, storageUrl } = await mine;
      const answer = await send(storageUrl + path, {
        ...init,
        headers: { ...init.headers, "x-auth-token": token },
      });
      if (answer.status === 401 && signedIn === mine) signedIn = undefined;
      return answer;
    } catch (error) {
      if (signedIn === mine) signedIn = undefined;
      throw error;
    }
  }

  return {
    async storageUrl() {
      signedIn ??= signIn(place, readKeys);
      return (await signedIn).storageUrl;
    },
    async request(path, init) {
      for (let attempt = 1; ; attempt++) {
        try {
          const answer = await once(path, init);
          // A token ends at its own time: one more try with a new one.
          const isPassing = passing.has(answer.status) || (answer.status === 401 && attempt === 1);
          if (!isPassing || attempt === attempts) return answer;
          await answer.body?.cancel();
        } catch (error) {
          if (error instanceof AppError || attempt === attempts) throw unreachable(error);
        }
        await pause(50 * 4 ** attempt);
      }
    },
  };
}

/** The head of the answer must come in time; its body is the caller's to watch. */
async function send(url: string, init: SwiftRequest): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error("no answer in time")), headMs);
  try {
    const { body, ...rest } = init;
    return await fetch(url, {
      ...rest,
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : Buffer.from(body) }),
      signal: late.signal,
      redirect: "error",
    });
  } finally {
    clearTimeout(timer);
  }
}

/** With the keys as they are now. */
async function signIn(place: SwiftPlace, readKeys: () => Promise<StorageKeys>): Promise<SwiftToken> {
  const keys = await readKeys();
  return place.authVersion === 1 ? signInV1(place, keys) : signInV3(place, keys);
}

// https://docs.openstack.org/swift/latest/overview_auth.html
async function signInV1(place: SwiftPlace, keys: StorageKeys): Promise<SwiftToken> {
  const answer = await send(place.authUrl, {
    method: "GET",
    headers: { "x-auth-user": keys.accessKey, "x-auth-key": keys.secretKey },
  });
  await answer.body?.cancel();
  const token = answer.headers.get("x-auth-token");
  const storageUrl = answer.headers.get("x-storage-url");
  if (!answer.ok || token === null || storageUrl === null) throw refused(answer.status);
  return { token, storageUrl };
}

// https://docs.openstack.org/api-ref/identity/v3/#password-authentication-with-scoped-authorization
async function signInV3(place: SwiftPlace, keys: StorageKeys): Promise<SwiftToken> {
  const user = { name: keys.accessKey, domain: { name: place.userDomain }, password: keys.secretKey };
  const scope = { project: { name: place.project, domain: { name: place.projectDomain } } };
  const answer = await send(`${place.authUrl}/auth/tokens`, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify({ auth: { identity: { methods: ["password"], password: { user } }, scope } }),
  });
  const token = answer.headers.get("x-subject-token");
  if (answer.status !== 201 || token === null) {
    await answer.body?.cancel();
    throw refused(answer.status);
  }
  const storageUrl = findStorageUrl(await answer.json(), place.region);
  if (storageUrl === undefined) {
    throw new AppError(
      "UNAVAILABLE",
      "Keystone's catalogue names no object store for this project and region: correct project and region in storage.url",
    );
  }
  return { token, storageUrl };
}

/** The public address of the object store in Keystone's catalogue; of the region, when one is given. */
function findStorageUrl(body: unknown, region: string | undefined): string | undefined {
  for (const service of listAt(body, "token", "catalog")) {
    if (textAt(service, "type") !== "object-store") continue;
    for (const endpoint of listAt(service, "endpoints")) {
      const isHere =
        region === undefined || [textAt(endpoint, "region"), textAt(endpoint, "region_id")].includes(region);
      if (textAt(endpoint, "interface") === "public" && isHere)
        return textAt(endpoint, "url")?.replace(/\/$/, "");
    }
  }
  return undefined;
}

function valueAt(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

function listAt(value: unknown, ...keys: readonly string[]): readonly unknown[] {
  const found = keys.reduce(valueAt, value);
  return Array.isArray(found) ? found : [];
}

function textAt(value: unknown, key: string): string | undefined {
  const found = valueAt(value, key);
  return typeof found === "string" ? found : undefined;
}

function refused(status: number): AppError {
  const isAddress = [300, 400, 404, 405].includes(status);
  const sentence =
    status === 401 || status === 403
      ? "the object store's sign-in refuses the user or the key: correct storage.accessKey and storage.secretKey, and with Keystone project and domains in storage.url"
      : `the object store's sign-in answers ${status}${isAddress ? ": check auth in storage.url, which ends in /v3 or /v1.0" : ""}`;
  return new AppError("UNAVAILABLE", sentence);
}

function unreachable(error: unknown): AppError {
  return error instanceof AppError ? error : explainUnreachable(error);
}
