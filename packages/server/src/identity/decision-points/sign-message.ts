import { createHmac, timingSafeEqual } from "node:crypto";

/** Where both sides put their signatures. */
export const signatureHeader = "entrepot-signature";
const toleranceSeconds = 120;

/**
 * What a signature is for, so that one can never stand in for another: a question of ours, the answer to the question of that id, or a notice to
 * us at that path.
 */
export type MessageKind = "question" | `answer ${string}` | `notice ${string}`;

/** `t=<seconds since the epoch>,v1=<hexadecimal HMAC-SHA-256>` over the time, the kind and the body, each on a line. */
export function signMessage(
  secret: string,
  kind: MessageKind,
  body: string | Uint8Array,
  nowMs: number,
): string {
  const time = Math.floor(nowMs / 1_000);
  return `t=${time},v1=${digest(secret, time, kind, body).toString("hex")}`;
}

/** Whether the header is a signature of that message by who has the secret, made within two minutes of now. */
export function isSignedBy(
  secret: string,
  kind: MessageKind,
  body: string | Uint8Array,
  header: string | undefined,
  nowMs: number,
): boolean {
  const [, time = "", mac = ""] = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(header ?? "") ?? [];
  if (mac === "" || Math.abs(nowMs / 1_000 - Number(time)) > toleranceSeconds) return false;
  return timingSafeEqual(digest(secret, Number(time), kind, body), Buffer.from(mac, "hex"));
}

function digest(secret: string, time: number, kind: MessageKind, body: string | Uint8Array): Buffer {
  return createHmac("sha256", secret).update(`${time}\n${kind}\n`).update(body).digest();
}
