import type { Actor } from "../../access/actor.ts";
import type { Answered } from "../../http/answered.ts";
import type { Clock } from "../../lib/clock.ts";
import type { AuditEntry, AuditSource } from "./record-audit.ts";

/**
 * Keeps a busy registry's audit log from growing with every pull: of the same manifest by the same credential from the same place the first is written
 * down at once, and those that follow within the window as one entry with their number. Nothing is left out, only put together.
 */
export interface PullRepeats {
  /** Whether this pull repeats one that is written down: then it is counted. If it does not, it begins a window. */
  isRepeat(answered: Answered, entry: AuditEntry): boolean;
  /** Writes down what was counted in windows that are over. */
  sweep(): void;
  /** Writes down everything that was counted. */
  close(): void;
}

interface Window {
  readonly source: AuditSource;
  readonly entry: AuditEntry;
  readonly startedAtMs: number;
  repeats: number;
}

/** As many windows as are worth their memory (some 500 bytes each); beyond, the oldest ends early. */
const maxWindows = 20_000;

/** `windowMs` 0 = every pull is written down by itself. */
export function createPullRepeats(deps: {
  readonly clock: Clock;
  readonly windowMs: number;
  readonly note: (source: AuditSource, entry: AuditEntry) => void;
}): PullRepeats {
  const { clock, windowMs } = deps;
  // In the order of their beginning.
  const windows = new Map<string, Window>();

  function end(key: string, { source, entry, startedAtMs, repeats }: Window): void {
    windows.delete(key);
    if (repeats === 0) return;
    const detail = { ...asFields(entry.detail), count: repeats, since: new Date(startedAtMs).toISOString() };
    deps.note(source, { ...entry, detail });
  }

  function isOver(window: Window, nowMs: number): boolean {
    return Math.abs(nowMs - window.startedAtMs) >= windowMs;
  }

  function sweep(): void {
    const nowMs = clock.nowMs();
    for (const [key, window] of windows) {
      if (windows.size <= maxWindows && !isOver(window, nowMs)) return;
      end(key, window);
    }
  }

  return {
    isRepeat(answered, entry) {
      if (windowMs === 0) return false;
      const key = keyOf(answered, entry);
      const nowMs = clock.nowMs();
      const window = windows.get(key);
      if (window !== undefined && !isOver(window, nowMs)) {
        window.repeats += 1;
        return true;
      }
      if (window !== undefined) end(key, window);
      const { actor, client, requestId } = answered;
      windows.set(key, { source: { actor, client, requestId }, entry, startedAtMs: nowMs, repeats: 0 });
      if (windows.size > maxWindows) sweep();
      return false;
    },
    sweep,
    close() {
      for (const [key, window] of windows) end(key, window);
    },
  };
}

function keyOf({ actor, client, digest }: Answered, { target }: AuditEntry): string {
  return `${whoIs(actor)}\n${client.address}\n${client.userAgent ?? ""}\n${target}\n${digest ?? ""}`;
}

function whoIs(actor: Actor): string {
  if (actor.kind === "anonymous") return "";
  if (actor.kind === "external") return `${actor.authority}\n${actor.principal}`;
  const { userId, credential, accessTokenId, sessionId, elevationIds } = actor;
  return `${userId} ${credential} ${accessTokenId ?? ""} ${sessionId ?? ""} ${elevationIds?.join() ?? ""}`;
}

function asFields(detail: AuditEntry["detail"]): object {
  return typeof detail === "object" && detail !== null ? detail : {};
}
