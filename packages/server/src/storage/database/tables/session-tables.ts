import type { Id } from "./column-types.ts";

/** Browsers that are signed in, and what people show beside their password. */
export interface SessionTables {
  sessions: SessionsTable;
  totp_seeds: TotpSeedsTable;
  security_keys: SecurityKeysTable;
  recovery_codes: RecoveryCodesTable;
  used_tickets: UsedTicketsTable;
  sign_in_networks: SignInNetworksTable;
  seen_networks: SeenNetworksTable;
}

/** One browser that is signed in. The secret lies in its cookie. */
interface SessionsTable {
  id: Id;
  user_id: number; // → users, cascade; indexed
  secret_hash: string; // unique; secretBox.hash
  password_epoch: string; // of the password at the start: another password is the end of the session
  method: string; // 'password', or the name of a provider: "oidc:google"
  amr: string; // how they proved who they are, separated by spaces (RFC 8176): "pwd otp"
  created_at_ms: number;
  last_seen_at_ms: number; // to the minute; indexed
  authenticated_at_ms: number; // when they last proved who they are
  mfa_at_ms: number | null; // when they last showed a second factor
  expires_at_ms: number; // whatever happens; indexed
  address: string;
  user_agent: string | null;
}

/** What an authenticator app makes codes from. */
interface TotpSeedsTable {
  user_id: number; // primary key; → users, cascade
  seed: string; // sealed, context "totp USER_ID"
  last_counter: number; // of the last code that was taken: none of it or before is taken again
  created_at_ms: number;
  last_used_at_ms: number | null;
}

/** Security keys and passkeys (WebAuthn). */
interface SecurityKeysTable {
  id: Id;
  user_id: number; // → users, cascade; unique with name
  name: string;
  credential_id: string; // unique; base64url
  public_key: string; // COSE, base64url
  counter: number;
  transports: string; // separated by spaces
  created_at_ms: number;
  last_used_at_ms: number | null;
}

/** Each works once, in place of the other factors. */
interface RecoveryCodesTable {
  user_id: number; // → users, cascade; primary key (user_id, code_hash)
  code_hash: string; // secretBox.hash
  created_at_ms: number;
}

/** Sealed tickets that were redeemed, until they would have expired anyway: a ticket works once, on whatever instance. */
interface UsedTicketsTable {
  id: string; // primary key
  expires_at_ms: number; // indexed
}

/** From where somebody has signed in with the right password: guessing from elsewhere never slows them down there. */
interface SignInNetworksTable {
  user_id: number; // → users, cascade; primary key (user_id, network)
  network: string; // secretBox.hash of it
  last_at_ms: number; // to the day
}

/** From which neighbourhoods (/24, /48) somebody has signed in: they are told of a new one. */
interface SeenNetworksTable {
  user_id: number; // → users, cascade; primary key (user_id, network)
  network: string; // secretBox.hash of it
  last_at_ms: number; // to the day
}
