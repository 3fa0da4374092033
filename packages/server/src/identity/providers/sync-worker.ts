import { AppError } from "../../lib/app-error.ts";
import { newUuid } from "../../lib/ids.ts";
import { acquireLease, releaseLease } from "../../storage/database/lease-store.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { Providers } from "./open-providers.ts";
import { listProviders, type SignInProvider } from "./provider-store.ts";
import { hasPasses, type SyncReport, synchronise } from "./synchronise.ts";

export interface SyncWorker {
  /** Looks every minute which providers are due, on every instance; a lease lets one at a time work on each. */
  start(): void;
  /** Breaks off the pass under way. */
  stop(): Promise<void>;
  /** One pass now. `CONFLICT` while another instance is at it; otherwise as `synchronise`. */
  runNow(provider: SignInProvider): Promise<SyncReport>;
}

const everyMs = 60_000;
const defaultSyncMinutes = 15;
/** Longer than the longest pass. */
const leaseMs = 900_000;

export function createSyncWorker(deps: IdentityDeps, providers: Providers): SyncWorker {
  const stopping = new AbortController();
  const holder = newUuid();
  const triedAtMs = new Map<number, number>();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();

  /** Undefined when another instance is at it. */
  async function pass(provider: SignInProvider): Promise<SyncReport | undefined> {
    const nowMs = deps.clock.nowMs();
    const lease = { name: `sign-in-provider-sync ${provider.id}`, holder: `${holder} ${newUuid()}` };
    const isMine = await deps.database.transaction(
      (tx) => acquireLease(tx, { ...lease, nowMs, untilMs: nowMs + leaseMs }),
      { durable: false },
    );
    if (!isMine) return undefined;
    triedAtMs.set(provider.id, nowMs);
    try {
      const report = await synchronise(deps, providers, provider, stopping.signal);
      const { ok, message, lost, created, changed, refused } = report;
      if (!ok)
        deps.log.error(
          { provider: provider.name, reason: message },
          "a pass over a sign-in provider did nothing",
        );
      else if (lost + created + changed > 0) {
        deps.log.info(
          { provider: provider.name, lost, created, changed, refused },
          "users follow their sign-in provider",
        );
      }
      return report;
    } finally {
      await deps.database.transaction((tx) => releaseLease(tx, lease), { durable: false });
    }
  }

  async function round(): Promise<void> {
    const nowMs = deps.clock.nowMs();
    // As the rows are now: a pass of another instance is in them.
    for (const provider of await listProviders(deps.database.read)) {
      if (stopping.signal.aborted || !provider.isEnabled || !hasPasses(provider)) continue;
      const lastMs = Math.max(provider.syncedAtMs ?? 0, triedAtMs.get(provider.id) ?? 0);
      if (nowMs - lastMs < minutesOf(provider) * 60_000) continue;
      await pass(provider).catch((error: unknown) => {
        if (stopping.signal.aborted) return;
        deps.log.error(
          { error, provider: provider.name },
          "a pass over a sign-in provider failed; it is tried again",
        );
      });
    }
  }

  function schedule(): void {
    if (stopping.signal.aborted) return;
    timer = setTimeout(() => {
      running = round()
        .catch((error: unknown) => deps.log.error({ error }, "sign-in providers could not be listed"))
        .finally(schedule);
    }, everyMs);
    timer.unref();
  }

  return {
    start: schedule,
    async stop() {
      stopping.abort();
      clearTimeout(timer);
      await running;
    },
    async runNow(provider) {
      const report = await pass(provider);
      if (report === undefined)
        throw new AppError("CONFLICT", "another pass is under way", { retryAfterSeconds: 5 });
      return report;
    },
  };
}

function minutesOf({ settings }: SignInProvider): number {
  const minutes: unknown = Reflect.get(settings, "syncMinutes");
  return typeof minutes === "number" ? minutes : defaultSyncMinutes;
}
