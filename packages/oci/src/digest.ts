import { OciError, quoted } from "./oci-error.ts";

/** Algorithms that image-spec registers: sha256 MUST, sha512 MAY be supported; here both are. */
export const digestAlgorithms = ["sha256", "sha512"] as const;
export type DigestAlgorithm = (typeof digestAlgorithms)[number];

/** `algorithm:hex`, checked: sha256 with 64 or sha512 with 128 lower-case hexadecimal digits. */
export type Digest = string & { readonly __brand: "Digest" };

const hexLength: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 };
const lowerHex = /^[a-f0-9]*$/;

/** Parses a digest. `DIGEST_INVALID` with what is wrong: no colon, an unknown algorithm, wrong length, other characters. */
export function parseDigest(text: string): Digest {
  const problem = digestProblem(text);
  if (problem !== undefined) throw new OciError("DIGEST_INVALID", `${quoted(text)} is no digest: ${problem}`);
  return text as Digest; // as: digestProblem found nothing
}

/** The digest, or undefined when the text is none. */
export function tryParseDigest(text: string): Digest | undefined {
  return digestProblem(text) === undefined ? (text as Digest) : undefined; // as: digestProblem found nothing
}

/** `DIGEST_INVALID` when it names no supported algorithm. */
export function parseDigestAlgorithm(text: string): DigestAlgorithm {
  const found = digestAlgorithms.find((algorithm) => algorithm === text);
  if (found !== undefined) return found;
  throw new OciError(
    "DIGEST_INVALID",
    `the digest algorithm ${quoted(text)} is not supported; sha256 and sha512 are`,
  );
}

/** The part before the colon. */
export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith("sha512:") ? "sha512" : "sha256";
}

/** The hexadecimal part. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/** Puts a digest together from a computed hash. `DIGEST_INVALID` when the hex is not of the algorithm's form. */
export function makeDigest(algorithm: DigestAlgorithm, hex: string): Digest {
  return parseDigest(`${algorithm}:${hex}`);
}

/** What is wrong with a text as a digest, as the end of a sentence; undefined when it is one. */
export function digestProblem(text: string): string | undefined {
  const colon = text.indexOf(":");
  if (colon < 0) return "it must be algorithm:hex, such as sha256:…";
  const algorithm = digestAlgorithms.find((known) => known === text.slice(0, colon));
  if (algorithm === undefined) return "its algorithm is not supported; sha256 and sha512 are";
  const hex = text.slice(colon + 1);
  if (hex.length !== hexLength[algorithm]) {
    return `${algorithm} has ${hexLength[algorithm]} hexadecimal digits, this has ${hex.length} characters`;
  }
  return lowerHex.test(hex) ? undefined : "only the digits 0-9 and a-f in lower case are allowed";
}
