import { type AuthClient, ExternalAccountClient, GoogleAuth, JWT } from "google-auth-library";
import { AppError } from "../../../lib/app-error.ts";
import type { Clock } from "../../../lib/clock.ts";
import { notGoogleKeys, parseGoogleKeys } from "./parse-google-keys.ts";

/**
 * Who we are to Google: asked before each request, as tokens end and key files change. Everything answers within the deadline, whatever the library
 * tries meanwhile: `UNAVAILABLE`, and for some seconds more at once, so that those who try again do not wait anew.
 */
export interface GoogleIdentity {
  /** The value of `Authorization`. `UNAVAILABLE` with a sentence when there is none to be had. */
  authorization(): Promise<string>;
  /** Whom signatures are by, and how; undefined when this identity cannot sign. Signing has the same deadline. */
  findSigner(): Promise<UrlSigner | undefined>;
}

export interface UrlSigner {
  readonly email: string;
  /** An RSA-SHA256 signature, in base64. */
  sign(text: string): Promise<string>;
}

/** The library tries again by itself, for minutes; requests of the registry's clients wait for it. */
const usualDeadlineMs = 10_000;
const restMs = 5_000;

const scopes = ["https://www.googleapis.com/auth/devstorage.read_write"];
/** Signing by Google's service needs a token that is good for it, too. */
const signingScopes = [...scopes, "https://www.googleapis.com/auth/iam"];

/**
 * The identity of a key file (a service account's key, or the description of a workload's identity elsewhere); without one, Google's own search:
 * `GOOGLE_APPLICATION_CREDENTIALS`, the machine's or the cluster's metadata server. A service account's key signs its tokens itself: nobody is asked for
 * them. `readKeys` is asked each time, and a new text makes a new identity. Repeatable, and may run concurrently.
 */
export function createGoogleIdentity(options: {
  readonly readKeys: (() => Promise<string>) | undefined;
  /** Undefined = Google's own service signs. */
  readonly signEndpoint: string | undefined;
  readonly clock: Clock;
  readonly deadlineMs?: number;
}): GoogleIdentity {
  const { readKeys, signEndpoint, clock, deadlineMs = usualDeadlineMs } = options;
  let current: (KnownIdentity & { readonly text: string }) | undefined;
  let late: { readonly error: AppError; readonly atMs: number } | undefined;

  async function now(): Promise<KnownIdentity> {
    if (late !== undefined && Math.abs(clock.nowMs() - late.atMs) < restMs) throw late.error;
    const text = readKeys === undefined ? "" : await readKeys();
    if (current?.text !== text)
      current = { text, ...openIdentity(readKeys === undefined ? undefined : text, deadlineMs) };
    return current;
  }

  async function inTime<T>(work: Promise<T>): Promise<T> {
    try {
      const value = await beforeDeadline(explained(work), deadlineMs);
      late = undefined;
      return value;
    } catch (error) {
      if (error instanceof Late) {
        // Whoever asks the library again would wait for the same answer that does not come.
        current = undefined;
        late = { error: new AppError("UNAVAILABLE", lateSentence(deadlineMs)), atMs: clock.nowMs() };
        throw late.error;
      }
      throw error;
    }
  }

  return {
    async authorization() {
      const { auth } = await now();
      const headers = await inTime(auth.getRequestHeaders());
      const value = headers.get("authorization");
      if (value === null) throw new AppError("UNAVAILABLE", "Google's sign-in gave no token");
      return value;
    },
    async findSigner() {
      const { auth, email: known } = await now();
      const email = known ?? (await inTime(auth.getCredentials())).client_email;
      if (email === undefined) return undefined;
      return { email, sign: (text) => inTime(auth.sign(text, signEndpoint)) };
    },
  };
}

class Late extends Error {}

async function beforeDeadline<T>(work: Promise<T>, deadlineMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Late()), deadlineMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function lateSentence(deadlineMs: number): string {
  return `Google's sign-in does not answer within ${deadlineMs} ms: look at the metadata server, or at the addresses in the file that storage.keysFile names`;
}

interface KnownIdentity {
  readonly auth: GoogleAuth;
  /** Undefined = the library finds out. */
  readonly email: string | undefined;
}

function openIdentity(text: string | undefined, timeout: number): KnownIdentity {
  // What nobody waits for any more ends, too.
  const transporterOptions = { timeout };
  if (text === undefined) {
    const clientOptions = { transporterOptions };
    // Without a project the library looks for one first, by starting `gcloud`, too; nothing here needs it.
    const auth = new GoogleAuth({ scopes: signingScopes, projectId: "none", clientOptions });
    return { auth, email: undefined };
  }
  const keys = parseGoogleKeys(text);
  if (keys.type === "service_account") {
    const { client_email: email, private_key: key, private_key_id: keyId } = keys;
    const client = new JWT({ email, key, keyId, scopes: signingScopes, transporterOptions });
    client.useJWTAccessWithScope = true;
    return { auth: new GoogleAuth({ authClient: client }), email };
  }
  const client: AuthClient | null = ExternalAccountClient.fromJSON(
    // as: the library checks each part of it
    { ...keys, scopes: signingScopes, transporterOptions } as unknown as Parameters<
      typeof ExternalAccountClient.fromJSON
    >[0],
  );
  if (client === null) throw notGoogleKeys();
  // Google signs only as a service account: an identity that takes the part of none cannot.
  const [, email] = /\/serviceAccounts\/([^/:]+):/.exec(keys.service_account_impersonation_url ?? "") ?? [];
  return { auth: new GoogleAuth({ authClient: client }), email };
}

async function explained<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    // Without the cause: the library's errors carry whole requests.
    const [what = ""] = (error instanceof Error ? error.message : "").split("\n");
    throw new AppError(
      "UNAVAILABLE",
      `Google's sign-in does not work: ${adviceFor(what) ?? what.slice(0, 200)}`,
    );
  }
}

/** What the library says in words that lead elsewhere. */
function adviceFor(what: string): string | undefined {
  if (/default credentials|Unable to detect/.test(what))
    return "no identity was found; set storage.keysFile, or run where a metadata server gives one";
  if (/DECODER|PEM|asn1|unsupported/i.test(what))
    return "the private key in storage.keysFile is damaged; download the key file again, and keep its line ends";
  if (what.includes("invalid_grant"))
    return "the key is refused (invalid_grant); set this machine's clock, by NTP, and look whether the key is deleted or disabled";
  return undefined;
}
