import type { Answered } from "../../http/answered.ts";
import type { Endpoint } from "../../http/endpoint.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { OutgoingHttp } from "../../lib/outgoing-http.ts";
import type { SecretBox } from "../../lib/secret-box.ts";
import type { Database } from "../../storage/database/database.ts";
import { auditEndpoints } from "./audit-routes.ts";
import { type AuditSigner, createAuditSigner } from "./audit-signer.ts";
import { hasUnsealed } from "./audit-store.ts";
import { type AuditTrail, createAuditTrail } from "./audit-trail.ts";
import { forwarderEndpoints } from "./forwarder-routes.ts";
import { type ForwardingDeps, forwardEntries } from "./forwarders/forward-entries.ts";
import { showForwarders } from "./forwarders/manage-forwarders.ts";
import type { SyslogOptions } from "./forwarders/send-syslog.ts";
import { createAnsweredRecorder, type RecordingSettings } from "./record-answered.ts";
import { pruneEntries, type SealDeps, sealEntries } from "./seal-entries.ts";

export interface AuditOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly secretBox: SecretBox;
  readonly outgoing: OutgoingHttp;
  readonly syslog: SyslogOptions;
  readonly recording: RecordingSettings;
  readonly anchorMs: number;
  /** 0 = for ever. */
  readonly retentionMs: number;
  readonly version: string;
}

/** The audit log as the composition root and the areas above see it. What changes something calls `recordAudit` in its own transaction. */
export interface Audit {
  readonly endpoints: readonly Endpoint[];
  /** For what is written down although nothing changed. */
  readonly trail: AuditTrail;
  readonly signer: AuditSigner;
  /** To be told of every answered request. */
  readonly onAnswered: (answered: Answered) => void;
  /** Begins to seal entries, every second, on every instance. */
  start(): void;
  /** Writes and seals what waits, and ends. */
  stop(): Promise<void>;
  /** Seals what waits now. */
  seal(): Promise<void>;
  /** Sends what is sealed to whoever it is forwarded to, once each. */
  forward(): Promise<void>;
  /** Entries that the slowest enabled forwarder has not got. */
  forwarderLag(): Promise<number>;
  /** Lets go of a batch of entries that are older than the setting says; may be repeated. */
  prune(): Promise<void>;
}

const sealEveryMs = 1_000;
const sealBatch = 500;
const pruneBatch = 2_000;

export function createAudit(options: AuditOptions): Audit {
  const { database, clock, log } = options;
  const signer = createAuditSigner(options);
  const trail = createAuditTrail({ database, clock, log });
  const recorder = createAnsweredRecorder({ trail, clock }, options.recording);
  const sealing: SealDeps = { database, clock, log, signer, anchorMs: options.anchorMs };
  let timer: NodeJS.Timeout | undefined;
  const forwarding: ForwardingDeps = options;
  let running: Promise<void> | undefined;
  let sending: Promise<void> | undefined;
  let isStopped = false;

  async function seal(): Promise<void> {
    // A look first: most seconds of most nights there is nothing, and then nothing is written.
    while (await hasUnsealed(database.read)) {
      if ((await sealEntries(sealing, sealBatch)) < sealBatch) return;
    }
  }

  /** Beside the sealing: a receiver that is slow holds nothing up. */
  function send(): void {
    sending ??= forwardEntries(forwarding)
      .catch((error: unknown) =>
        log.error({ error }, "audit entries could not be forwarded; it is tried again"),
      )
      .finally(() => {
        sending = undefined;
      });
  }

  function schedule(): void {
    if (isStopped) return;
    timer = setTimeout(() => {
      recorder.sweep();
      running = seal()
        .catch((error: unknown) =>
          log.error({ error }, "audit entries could not be sealed; it is tried again"),
        )
        .finally(() => {
          if (!isStopped) send();
          schedule();
        });
    }, sealEveryMs);
    timer.unref();
  }

  return {
    endpoints: [
      ...auditEndpoints({ database, signer, version: options.version }),
      ...forwarderEndpoints(forwarding),
    ],
    trail,
    signer,
    onAnswered: (answered) => recorder.record(answered),
    start: schedule,
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      await running;
      await sending;
      recorder.close();
      await trail.close();
      // What is not sealed now is sealed by whoever comes next.
      // Twice, as an anchor that the first time writes is an entry, too.
      await seal()
        .then(seal)
        .catch((error: unknown) => log.warn({ error }, "audit entries are left unsealed"));
    },
    seal,
    forward: () => forwardEntries(forwarding),
    async forwarderLag() {
      const enabled = (await showForwarders(forwarding)).filter(({ forwarder }) => forwarder.isEnabled);
      return Math.max(0, ...enabled.map(({ waiting }) => waiting));
    },
    async prune() {
      if (options.retentionMs === 0) return;
      await pruneEntries(sealing, clock.nowMs() - options.retentionMs, pruneBatch);
    },
  };
}
