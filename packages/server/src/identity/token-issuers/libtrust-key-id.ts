import { createHash, type KeyObject } from "node:crypto";

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const keptBytes = 30;

/**
 * The key id of libtrust, by which older token services for docker name their keys: the SHA-256 of the public key's DER form, cut to 240 bits, in
 * base32, in twelve groups of four (https://github.com/docker/libtrust/blob/master/util.go).
 */
export function libtrustKeyId(key: KeyObject): string {
  const der = key.export({ format: "der", type: "spki" });
  const bits = [...createHash("sha256").update(der).digest().subarray(0, keptBytes)]
    .map((byte) => byte.toString(2).padStart(8, "0"))
    .join("");
  const letters = (bits.match(/.{5}/g) ?? [])
    .map((five) => alphabet[Number.parseInt(five, 2)] ?? "")
    .join("");
  return (letters.match(/.{4}/g) ?? []).join(":");
}
