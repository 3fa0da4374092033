import type { TestContext } from "node:test";
import type { UserActor } from "../../../access/actor.ts";
import { parseIpNetwork } from "../../../lib/ip-network.ts";
import type { Log, LogFields } from "../../../lib/log.ts";
import { createOutgoingHttp, type OutgoingHttp } from "../../../lib/outgoing-http.ts";
import { createSecretBox, type SecretBox } from "../../../lib/secret-box.ts";
import type { Database } from "../../../storage/database/database.ts";
import type { OpenTestDatabase } from "../../../storage/database/testing/each-database.ts";
import { type Audit, type AuditOptions, createAudit } from "../audit.ts";
import { type AuditEntry, type AuditSource, recordAudit } from "../record-audit.ts";
import { tamper } from "./tamper-store.ts";

/** An audit log over a database, with a clock that tests move. */
export interface TestAudit {
  readonly audit: Audit;
  readonly database: Database;
  readonly secretBox: SecretBox;
  readonly outgoing: OutgoingHttp;
  readonly clock: { nowMs(): number; move(byMs: number): void };
  readonly logged: readonly { readonly message: string; readonly fields: LogFields }[];
  readonly log: Log;
  /** Writes an entry as a change would. */
  record(entry: Partial<AuditEntry>, source?: Partial<AuditSource>): Promise<void>;
  /** Runs statements as somebody with the database's password and no scruples would: without triggers. */
  tamper(...statements: readonly string[]): Promise<void>;
}

export const ada: UserActor = {
  kind: "user",
  account: "person",
  userId: 1,
  username: "ada",
  isAdmin: true,
  isAuditor: false,
  credential: "password",
  accessTokenId: undefined,
  limits: undefined,
  credentialScopes: undefined,
};

export async function openTestAudit(
  open: OpenTestDatabase,
  t: TestContext,
  options: Partial<AuditOptions> = {},
): Promise<TestAudit> {
  let nowMs = 1_800_000_000_000;
  const clock = {
    nowMs: () => nowMs,
    move: (byMs: number) => {
      nowMs += byMs;
    },
  };
  const logged: { message: string; fields: LogFields }[] = [];
  const log = capturingLog(logged);
  const database = options.database ?? (await open(t));
  const secretBox = createSecretBox([Buffer.alloc(32, 7)]);
  const outgoing = createOutgoingHttp({ allowedNetworks: [parseIpNetwork("127.0.0.0/8")] });
  t.after(() => outgoing.close());
  const audit = createAudit({
    database,
    clock,
    log,
    secretBox,
    outgoing,
    syslog: { mayReach: (address) => address.startsWith("127."), isPlainAllowed: false },
    recording: {
      pulls: "all",
      pullsOneIn: 1,
      pullsWindowMs: 60_000,
      denials: "on",
      defaultNamespace: "library",
    },
    anchorMs: 3_600_000,
    retentionMs: 0,
    version: "test",
    ...options,
  });
  return {
    audit,
    database,
    secretBox,
    outgoing,
    clock,
    logged,
    log,
    record: (entry, source = {}) =>
      database.transaction((tx) =>
        recordAudit(
          tx,
          { actor: ada, client: { address: "192.0.2.1", userAgent: "test/1" }, requestId: "r1", ...source },
          nowMs,
          { action: "test.do", target: "thing", ...entry },
        ),
      ),
    tamper: (...statements) => tamper(database, statements),
  };
}

function capturingLog(lines: { message: string; fields: LogFields }[]): Log {
  const take = (fields: LogFields, message: string) => void lines.push({ fields, message });
  const log: Log = { error: take, warn: take, info: take, debug: take, child: () => log };
  return log;
}
