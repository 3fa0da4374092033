import { Secret, TOTP } from "otpauth";

/** RFC 6238 with what every authenticator app takes: SHA-1, six digits, thirty seconds. */
const form = { algorithm: "SHA1", digits: 6, period: 30 } as const;
/** A code is good for its half minute and the ones beside it: clocks differ. */
const window = 1;
const seedBytes = 20;

/** A new seed in base32, as apps show it. */
export function newTotpSeed(): string {
  return new Secret({ size: seedBytes }).base32;
}

/** What an app reads from a QR code. */
export function totpUri(seed: string, account: string, issuer: string): string {
  return new TOTP({ ...form, issuer, label: account, secret: Secret.fromBase32(seed) }).toString();
}

/** The counter that a code belongs to; undefined when it is no code of now. Whether it was used before is the caller's to know. */
export function totpCounterOf(seed: string, code: string, nowMs: number): number | undefined {
  const totp = new TOTP({ ...form, secret: Secret.fromBase32(seed) });
  const delta = totp.validate({ token: code, timestamp: nowMs, window });
  // 0 is the right half minute, null is none.
  return delta === null ? undefined : Math.floor(nowMs / 1_000 / form.period) + delta;
}

/** The code of a moment, for tests of those who would be an app. */
export function totpCodeAt(seed: string, nowMs: number): string {
  return new TOTP({ ...form, secret: Secret.fromBase32(seed) }).generate({ timestamp: nowMs });
}
