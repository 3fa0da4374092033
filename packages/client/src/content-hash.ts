import { createHash } from "node:crypto";
import { type Digest, digestAlgorithm, digestHex, makeDigest } from "@entrepot/oci/digest";
import { RegistryError } from "./registry-error.ts";

/** The sha256 digest of bytes at hand. */
export function digestOf(bytes: Uint8Array): Digest {
  return makeDigest("sha256", createHash("sha256").update(bytes).digest("hex"));
}

/** Whether the bytes are what the digest says. */
export function hasDigest(bytes: Uint8Array, digest: Digest): boolean {
  return createHash(digestAlgorithm(digest)).update(bytes).digest("hex") === digestHex(digest);
}

/**
 * Passes chunks on while it hashes and counts them; throws `DIGEST_INVALID` behind the last one when they are not what the digest says, so
 * whoever stores them must not commit before the end. `from` names the sender for the message.
 */
export async function* verifyWhileStreaming(
  chunks: AsyncIterable<Uint8Array>,
  digest: Digest,
  from: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash(digestAlgorithm(digest));
  let sizeBytes = 0;
  for await (const chunk of chunks) {
    hash.update(chunk);
    sizeBytes += chunk.byteLength;
    yield chunk;
  }
  const actual = hash.digest("hex");
  if (actual === digestHex(digest)) return;
  throw new RegistryError(
    `${from} sent ${sizeBytes} bytes for ${digest} that are something else (${digestAlgorithm(digest)}:${actual})`,
    { code: "DIGEST_INVALID" },
  );
}
