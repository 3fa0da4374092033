import { createHash } from "node:crypto";
import type { SignedReply } from "../blob-store.ts";
import type { UrlSigner } from "./google-identity.ts";

/**
 * An address with a V4 signature (https://cloud.google.com/storage/docs/authentication/canonical-requests) for reading one object of a bucket. `origin` is the
 * address that clients use: its host is part of what is signed.
 */
export async function signGcsUrl(
  signer: UrlSigner,
  object: { readonly origin: string; readonly bucket: string; readonly key: string },
  reply: SignedReply,
  nowMs: number,
): Promise<string> {
  const time = new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = `${time.slice(0, 8)}/auto/storage/goog4_request`;
  const url = new URL(object.origin);
  const path = `${url.pathname.replace(/\/$/, "")}/${object.bucket}/${object.key.split("/").map(encode).join("/")}`;
  const parameters: readonly (readonly [string, string])[] = [
    ["X-Goog-Algorithm", "GOOG4-RSA-SHA256"],
    ["X-Goog-Credential", `${signer.email}/${scope}`],
    ["X-Goog-Date", time],
    ["X-Goog-Expires", String(reply.expiresSeconds)],
    ["X-Goog-SignedHeaders", "host"],
    ["response-cache-control", reply.cacheControl],
    ["response-content-type", reply.contentType],
  ];
  const query = parameters.map(([name, value]) => `${name}=${encode(value)}`).join("&");
  const request = ["GET", path, query, `host:${url.host}`, "", "host", "UNSIGNED-PAYLOAD"].join("\n");
  const hash = createHash("sha256").update(request).digest("hex");
  const signature = await signer.sign(["GOOG4-RSA-SHA256", time, scope, hash].join("\n"));
  const hex = Buffer.from(signature, "base64").toString("hex");
  return `${url.origin}${path}?${query}&X-Goog-Signature=${hex}`;
}

/** As RFC 3986 has it: everything but unreserved characters. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
