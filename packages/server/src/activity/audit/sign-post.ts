import { createHmac } from "node:crypto";

/**
 * The header that proves who posts a body and when: `t=SECONDS,v1=HEX`, HMAC-SHA-256 with the receiver's secret over `SECONDS.BODY`. A receiver
 * computes it again, compares in constant time, and refuses what is older than a few minutes.
 */
export function signPost(secret: string, nowMs: number, body: string): Record<string, string> {
  const seconds = Math.floor(nowMs / 1_000);
  const signature = createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex");
  return { "x-entrepot-signature": `t=${seconds},v1=${signature}` };
}
