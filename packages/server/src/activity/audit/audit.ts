import type { Answered } from "../../http/answered.ts";
import type { Endpoint } from "../../http/endpoint.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { SecretBox } from "../../lib/secret-box.ts";
import type { Database } from "../../storage/database/database.ts";
import { auditEndpoints } from "./audit-routes.ts";
import { type AuditSigner, createAuditSigner } from "./audit-signer.ts";
import { hasUnsealed } from "./audit-store.ts";
import { type AuditTrail, createAuditTrail } from "./audit-trail.ts";
import { createAnsweredRecorder, type RecordingSettings } from "./record-answered.ts";
import { pruneEntries, type SealDeps, sealEntries } from "./seal-entries.ts";

export interface AuditOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly secretBox: SecretBox;
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
  const sealing: SealDeps = { database, clock, log, signer, anchorMs: options.anchorMs };
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let isStopped = false;

  async function seal(): Promise<void> {
    // A look first: most seconds of most nights there is nothing, and then nothing is written.
    while (await hasUnsealed(database.read)) {
      if ((await sealEntries(sealing, sealBatch)) < sealBatch) return;
    }
  }

  function schedule(): void {
    if (isStopped) return;
    timer = setTimeout(() => {
      running = seal()
        .catch((error: unknown) =>
          log.error({ error }, "audit entries could not be sealed; it is tried again"),
        )
        .finally(schedule);
    }, sealEveryMs);
    timer.unref();
  }

  return {
    endpoints: auditEndpoints({ database, signer, version: options.version }),
    trail,
    signer,
    onAnswered: createAnsweredRecorder({ trail, clock }, options.recording),
    start: schedule,
    async stop() {
      isStopped = true;
      clearTimeout(timer);
      await running;
      await trail.close();
      await seal();
    },
    seal,
    async prune() {
      if (options.retentionMs === 0) return;
      await pruneEntries(sealing, clock.nowMs() - options.retentionMs, pruneBatch);
    },
  };
}
