import type {
  AuthenticationResponseJSON,
  RegistrationResponseJSON,
  WebAuthnCredential,
} from "@simplewebauthn/server";
import { AppError } from "../../lib/app-error.ts";
import type { SecurityKey } from "./factor-store.ts";

/** Half a second of loading that most processes never need. */
const library = () => import("@simplewebauthn/server");

/** EdDSA, ES256, RS256 (COSE): what keys of today have. The library's own choice begins with one that Node calls experimental. */
const algorithms = [-8, -7, -257];

/** Where the browser is, as it will sign it. */
export interface RelyingParty {
  /** scheme://host[:port] of the registry's page. */
  readonly origin: string;
}

/** A key belongs to the host name of the page (WebAuthn, "RP ID"), so there is none at a bare address. */
export function canHaveSecurityKeys({ origin }: RelyingParty): boolean {
  const { hostname } = new URL(origin);
  return !/^[\d.]+$/.test(hostname) && !hostname.startsWith("[");
}

function rpIdOf(party: RelyingParty): string {
  if (canHaveSecurityKeys(party)) return new URL(party.origin).hostname;
  throw new AppError("REQUEST_INVALID", "security keys need a host name, not an address");
}

/** Options for `navigator.credentials.create`, as JSON. Keys that the user has are left out. */
export async function registrationOptions(
  party: RelyingParty,
  user: { readonly id: number; readonly username: string },
  known: readonly SecurityKey[],
) {
  const { generateRegistrationOptions } = await library();
  return generateRegistrationOptions({
    rpName: "Entrepôt",
    rpID: rpIdOf(party),
    userName: user.username,
    userID: new TextEncoder().encode(`user ${user.id}`),
    attestationType: "none",
    supportedAlgorithmIDs: algorithms,
    excludeCredentials: known.map(({ credentialId: id, transports }) => ({
      id,
      transports: [...transports],
    })),
    authenticatorSelection: { residentKey: "discouraged", userVerification: "preferred" },
  });
}

/** The key that a browser has registered; undefined when what it sent is not what it was asked for. */
export async function verifyRegistration(
  party: RelyingParty,
  challenge: string,
  response: unknown,
): Promise<Pick<SecurityKey, "credentialId" | "publicKey" | "counter" | "transports"> | undefined> {
  const { verifyRegistrationResponse } = await library();
  try {
    const { registrationInfo } = await verifyRegistrationResponse({
      response: response as RegistrationResponseJSON, // as: the library checks every field it reads
      expectedChallenge: challenge,
      expectedOrigin: party.origin,
      expectedRPID: rpIdOf(party),
      requireUserVerification: false,
      supportedAlgorithmIDs: algorithms,
    });
    if (registrationInfo === undefined) return undefined;
    const { id, publicKey, counter, transports = [] } = registrationInfo.credential;
    return {
      credentialId: id,
      publicKey: Buffer.from(publicKey).toString("base64url"),
      counter,
      transports: transports.filter((word) => /^[a-z-]{1,20}$/.test(word)).slice(0, 8),
    };
  } catch (error) {
    return refuseOrThrow(error);
  }
}

/** Options for `navigator.credentials.get`, as JSON, for one of the user's keys. */
export async function authenticationOptions(party: RelyingParty, known: readonly SecurityKey[]) {
  const { generateAuthenticationOptions } = await library();
  return generateAuthenticationOptions({
    rpID: rpIdOf(party),
    allowCredentials: known.map(({ credentialId: id, transports }) => ({ id, transports: [...transports] })),
    userVerification: "preferred",
  });
}

/** The key that has signed the challenge and how often it has signed; undefined when none of these has. */
export async function verifyAuthentication(
  party: RelyingParty,
  challenge: string,
  known: readonly SecurityKey[],
  response: unknown,
): Promise<{ readonly key: SecurityKey; readonly counter: number } | undefined> {
  const { verifyAuthenticationResponse } = await library();
  const given = response as AuthenticationResponseJSON; // as: the library checks every field it reads
  const key = known.find(({ credentialId }) => credentialId === given.id);
  if (key === undefined) return undefined;
  const credential: WebAuthnCredential = {
    id: key.credentialId,
    publicKey: new Uint8Array(Buffer.from(key.publicKey, "base64url")),
    counter: key.counter,
  };
  try {
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response: given,
      expectedChallenge: challenge,
      expectedOrigin: party.origin,
      expectedRPID: rpIdOf(party),
      credential,
      requireUserVerification: false,
    });
    return verified ? { key, counter: authenticationInfo.newCounter } : undefined;
  } catch (error) {
    return refuseOrThrow(error);
  }
}

/** The library throws plain errors for all that a client can get wrong. */
function refuseOrThrow(error: unknown): undefined {
  if (error instanceof AppError || !(error instanceof Error)) throw error;
  return undefined;
}
