import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { AppError } from "../../../lib/app-error.ts";
import type { Clock } from "../../../lib/clock.ts";
import { createFileReader } from "../objects/read-keys-file.ts";

/** A distribution of CloudFront whose origin is the bucket, without an origin path. */
export interface CloudFrontPlace {
  /** Its address, without a slash at the end. */
  readonly origin: string;
  /** The id of the public key in one of its trusted key groups. */
  readonly keyPairId: string;
  /** File with the private key, in PEM; read once, as it goes with the id. */
  readonly keyFile: string;
}

/** An address at which anybody can read one object of the bucket until it expires. `UNAVAILABLE` when the key cannot be read. */
export type CloudFrontSigner = (key: string, expiresSeconds: number) => Promise<string>;

const setting = "the file that cloudFrontKeyFile in storage.url names";

/**
 * Signs with a canned policy: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-canned-policy.html. The whole address is signed, so
 * there is nothing that its owner could change in it. It asks for no headers of the answer, as the CDN keeps what it fetched by the address without the signature:
 * one copy for all. RSA with SHA-1 is what CloudFront verifies.
 */
export function createCloudFrontSigner(place: CloudFrontPlace, clock: Clock): CloudFrontSigner {
  const readFile = createFileReader({ keysFile: place.keyFile, setting }, clock, parseKey);
  let known: KeyObject | undefined;
  // Once: the id does not change while the registry runs, and what another key signs by this id nobody takes.
  const readKey = async () => (known ??= await readFile());
  // At the start, before somebody writes another key there. What goes wrong is told to whoever needs it.
  readKey().catch(() => {});
  return async (key, expiresSeconds) => {
    const path = key.split("/").map(encodeURIComponent).join("/");
    const url = `${place.origin}/${path}`;
    const expires = Math.floor(clock.nowMs() / 1_000) + expiresSeconds;
    const policy = `{"Statement":[{"Resource":"${url}","Condition":{"DateLessThan":{"AWS:EpochTime":${expires}}}}]}`;
    const signature = sign("sha1", Buffer.from(policy), await readKey()).toString("base64");
    return `${url}?Expires=${expires}&Signature=${urlSafe(signature)}&Key-Pair-Id=${place.keyPairId}`;
  };
}

/** CloudFront's own replacements, which are not those of base64url. */
function urlSafe(base64: string): string {
  return base64.replaceAll("+", "-").replaceAll("=", "_").replaceAll("/", "~");
}

function parseKey(text: string): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = createPrivateKey(text);
  } catch {
    // Without the cause, which may quote the file.
  }
  if (key?.asymmetricKeyType !== "rsa") {
    throw new AppError("UNAVAILABLE", `${setting} is no private RSA key in PEM, unencrypted`);
  }
  return key;
}
