import type { Clock } from "../../lib/clock.ts";
import type { BlobStore } from "../../storage/blob-store/blob-store.ts";
import type { Database } from "../../storage/database/database.ts";

export interface HealthDeps {
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  /** Whether this process has begun to stop: then a load balancer should send nothing more. */
  readonly isDraining: () => boolean;
}

export interface Health {
  readonly status: "ok" | "failing" | "draining";
  /** Each part that was looked at; `error` is a sentence for the operator, without secrets. */
  readonly parts: readonly { readonly name: string; readonly ok: boolean; readonly error?: string }[];
}

const probeTimeoutMs = 5_000;

/** This process alone: fails only while it stops. Looks at nothing outside, so that one broken database does not restart every instance. */
export function checkInstance(deps: HealthDeps): Health {
  return { status: deps.isDraining() ? "draining" : "ok", parts: [{ name: "process", ok: true }] };
}

/** Everything a pull and a push need: the database answers, the blob store takes, gives back and removes a few bytes. At most 5 s each. */
export async function checkEndToEnd(deps: HealthDeps): Promise<Health> {
  const parts = await Promise.all([
    probe("database", () => deps.database.probe(probeTimeoutMs)),
    probe("storage", () => withTimeout(deps.blobs.probe())),
  ]);
  return { status: parts.every((part) => part.ok) ? "ok" : "failing", parts };
}

async function probe(name: string, work: () => Promise<void>) {
  try {
    await work();
    return { name, ok: true };
  } catch (error) {
    return { name, ok: false, error: error instanceof Error ? error.message : "unknown error" };
  }
}

async function withTimeout(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${probeTimeoutMs} ms`)), probeTimeoutMs);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
