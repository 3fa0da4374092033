import type { Id } from "./column-types.ts";

/** What the registry writes to people, and what waits for them to follow a link. */
export interface EmailTables {
  mails: MailsTable;
  sign_ups: SignUpsTable;
  account_links: AccountLinksTable;
}

/** Outgoing mails, in the transaction that makes them true; sent afterwards, at least once. Pruned by age and state. */
interface MailsTable {
  id: Id;
  recipient: string; // EmailAddress; indexed (recipient, created_at_ms)
  kind: string; // MailKind: which template
  sealed_data: string | null; // what the template needs, sealed as it may hold a link that works; null = sent
  state: string; // 'queued' | 'sent' | 'dead' (given up); indexed (state, next_attempt_at_ms)
  attempts: number;
  created_at_ms: number;
  next_attempt_at_ms: number; // nobody touches it before; a sender that claims it moves this ahead
  useless_after_ms: number | null; // not sent from then on; null = always worth sending
  sent_at_ms: number | null;
  last_error: string | null;
}

/** Accounts that somebody asked for: there is none until the link is followed, so an address or a name cannot be squatted. Several may ask for one name. */
interface SignUpsTable {
  id: Id;
  username: string; // indexed (username, id)
  email: string; // EmailAddress; indexed
  password_hash: string; // argon2id PHC string: each link makes the account with its own
  token_hash: string; // unique; secretBox.hash of what the link carries
  created_at_ms: number;
  expires_at_ms: number; // indexed
}

/** Links that change an account, once. */
interface AccountLinksTable {
  id: Id;
  kind: string; // 'password-reset' | 'email-change'
  user_id: number; // → users, cascade; indexed
  token_hash: string; // unique; secretBox.hash of what the link carries
  email: string | null; // the address that the link proves, of 'email-change'
  created_at_ms: number;
  expires_at_ms: number; // indexed
}
