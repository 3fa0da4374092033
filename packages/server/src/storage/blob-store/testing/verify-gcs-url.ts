import { createHash, createVerify, type KeyObject } from "node:crypto";
import type { IncomingMessage } from "node:http";

/**
 * The path, decoded and without its slash, that a signed address gives access to; undefined when the service would refuse it. Written from
 * https://cloud.google.com/storage/docs/authentication/canonical-requests, from the raw request target: not the way that the driver signs.
 */
export function verifySignedUrl(
  request: IncomingMessage,
  url: URL,
  keys: ReadonlyMap<string, KeyObject>,
  nowMs: number,
): string | undefined {
  const [path = "", rawQuery = ""] = (request.url ?? "").split("?");
  const signature = url.searchParams.get("X-Goog-Signature") ?? "";
  const [email = "", ...scope] = (url.searchParams.get("X-Goog-Credential") ?? "").split("/");
  const key = keys.get(email);
  const date = url.searchParams.get("X-Goog-Date") ?? "";
  const begin = Date.parse(date.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z"));
  const expires = Number(url.searchParams.get("X-Goog-Expires"));
  if (key === undefined || url.searchParams.get("X-Goog-Algorithm") !== "GOOG4-RSA-SHA256") return undefined;
  if (!(nowMs < begin + expires * 1_000) || expires > 604_800) return undefined;
  const query = rawQuery
    .split("&")
    .filter((pair) => !pair.startsWith("X-Goog-Signature="))
    .sort()
    .join("&");
  const names = (url.searchParams.get("X-Goog-SignedHeaders") ?? "").split(";");
  const headers = names.map((name) => `${name}:${String(request.headers[name] ?? "").trim()}\n`).join("");
  const canonical = `${request.method}\n${path}\n${query}\n${headers}\n${names.join(";")}\nUNSIGNED-PAYLOAD`;
  const hash = createHash("sha256").update(canonical).digest("hex");
  const text = `GOOG4-RSA-SHA256\n${date}\n${scope.join("/")}\n${hash}`;
  const isGood = createVerify("RSA-SHA256").update(text).verify(key, Buffer.from(signature, "hex"));
  return isGood ? decodeURIComponent(path.slice(1)) : undefined;
}
