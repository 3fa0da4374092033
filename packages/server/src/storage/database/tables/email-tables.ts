import type { Id } from "./column-types.ts";

/** What the registry writes to people. */
export interface EmailTables {
  mails: MailsTable;
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
