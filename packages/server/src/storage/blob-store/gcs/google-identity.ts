import { type AuthClient, ExternalAccountClient, GoogleAuth, JWT } from "google-auth-library";
import { AppError } from "../../../lib/app-error.ts";

/** Who we are to Google: asked before each request, as tokens end and key files change. */
export interface GoogleIdentity {
  /** The value of `Authorization`. `UNAVAILABLE` with a sentence when there is none to be had. */
  authorization(): Promise<string>;
  /** Whom signatures are by, and how; undefined when this identity cannot sign. */
  findSigner(): Promise<UrlSigner | undefined>;
}

export interface UrlSigner {
  readonly email: string;
  /** An RSA-SHA256 signature, in base64. */
  sign(text: string): Promise<string>;
}

const scopes = ["https://www.googleapis.com/auth/devstorage.read_write"];
/** Signing by Google's service needs a token that is good for it, too. */
const signingScopes = [...scopes, "https://www.googleapis.com/auth/iam"];

/**
 * The identity of a key file (a service account's key, or the description of a workload's identity elsewhere); without one, Google's own search:
 * `GOOGLE_APPLICATION_CREDENTIALS`, the machine's or the cluster's metadata server. A service account's key signs its tokens itself: nobody is asked for
 * them. `readKeys` is asked each time, and a new text makes a new identity. Repeatable, and may run concurrently.
 */
export function createGoogleIdentity(
  readKeys: (() => Promise<string>) | undefined,
  signEndpoint: string | undefined,
): GoogleIdentity {
  let current: (KnownIdentity & { readonly text: string }) | undefined;

  async function now(): Promise<KnownIdentity> {
    const text = readKeys === undefined ? "" : await readKeys();
    if (current?.text !== text)
      current = { text, ...openIdentity(readKeys === undefined ? undefined : text) };
    return current;
  }

  return {
    async authorization() {
      const { auth } = await now();
      const headers = await explained(auth.getRequestHeaders());
      const value = headers.get("authorization");
      if (value === null) throw new AppError("UNAVAILABLE", "Google's sign-in gave no token");
      return value;
    },
    async findSigner() {
      const { auth, email: known } = await now();
      const email = known ?? (await explained(auth.getCredentials())).client_email;
      if (email === undefined) return undefined;
      return { email, sign: (text) => explained(auth.sign(text, signEndpoint)) };
    },
  };
}

interface KnownIdentity {
  readonly auth: GoogleAuth;
  /** Undefined = the library finds out. */
  readonly email: string | undefined;
}

function openIdentity(text: string | undefined): KnownIdentity {
  if (text === undefined) return { auth: new GoogleAuth({ scopes: signingScopes }), email: undefined };
  const keys = parseKeys(text);
  if (keys.type === "service_account") {
    const { client_email: email, private_key: key, private_key_id: keyId } = keys;
    const client = new JWT({ email, key, keyId, scopes: signingScopes });
    client.useJWTAccessWithScope = true;
    return { auth: new GoogleAuth({ authClient: client }), email };
  }
  const client: AuthClient | null = ExternalAccountClient.fromJSON(
    // as: the library checks each part of it
    { ...keys, scopes: signingScopes } as unknown as Parameters<typeof ExternalAccountClient.fromJSON>[0],
  );
  if (client === null) throw noKeys();
  // Google signs only as a service account: an identity that takes the part of none cannot.
  const [, email] = /\/serviceAccounts\/([^/:]+):/.exec(keys.service_account_impersonation_url ?? "") ?? [];
  return { auth: new GoogleAuth({ authClient: client }), email };
}

interface KeyFile {
  readonly type: "service_account" | "external_account";
  readonly client_email: string;
  readonly private_key: string;
  readonly private_key_id: string;
  readonly service_account_impersonation_url: string | undefined;
}

/** The file as it is; `UNAVAILABLE` when it is of no kind that we take. */
function parseKeys(text: string): KeyFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw noKeys();
  }
  if (typeof value !== "object" || value === null || !("type" in value)) throw noKeys();
  const isText = (name: string) => typeof Reflect.get(value, name) === "string";
  const isServiceAccount =
    value.type === "service_account" && isText("client_email") && isText("private_key");
  if (!isServiceAccount && value.type !== "external_account") throw noKeys();
  return value as KeyFile; // as: checked above
}

function noKeys(): AppError {
  return new AppError(
    "UNAVAILABLE",
    "storage.keysFile is no key file of Google's: those are JSON with the type service_account or external_account",
  );
}

async function explained<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    // Without the cause: the library's errors carry whole requests.
    const [what = ""] = (error instanceof Error ? error.message : "").split("\n");
    throw new AppError("UNAVAILABLE", `Google's sign-in does not work: ${what.slice(0, 200)}`);
  }
}
