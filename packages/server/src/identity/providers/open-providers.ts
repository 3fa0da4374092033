import { AppError } from "../../lib/app-error.ts";
import { createCircuitBreaker } from "../../lib/circuit-breaker.ts";
import { createSemaphore } from "../../lib/semaphore.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import { buildProvider } from "./build-provider.ts";
import type { PasswordProvider, RedirectProvider } from "./provider.ts";
import { listProviders, type ProviderKind, type SignInProvider } from "./provider-store.ts";

/** The providers as they are now, ready for use. */
export interface Providers {
  /** All of them in their order. Cached by the access version. */
  list(): Promise<readonly SignInProvider[]>;
  /** One that is enabled. `NOT_FOUND`. */
  get(name: string): Promise<SignInProvider>;
  /**
   * Uses a provider: at most so many at once, within a deadline, and not at all for a while after it has failed several times. What it throws that is
   * no answer of its own becomes `UNAVAILABLE`, with the reason in the log.
   */
  use<T>(
    provider: SignInProvider,
    signal: AbortSignal | undefined,
    work: (opened: PasswordProvider | RedirectProvider, signal: AbortSignal) => Promise<T>,
    options?: { readonly limitMs?: number },
  ): Promise<T>;
}

/** Whether people type their password here, or are sent away to sign in. */
export function takesPasswords(kind: ProviderKind): boolean {
  return kind === "ldap" || kind === "keystone" || kind === "external-jwt";
}

const atOnce = 16;
const waiting = 200;
const failuresInARow = 5;
const pauseMs = 15_000;
const defaultTimeoutMs = 5_000;
/** A sign-in takes several answers, each with its own deadline. */
const answersPerUse = 3;

export function openProviders(deps: IdentityDeps): Providers {
  const opened = new Map<number, { readonly updatedAtMs: number; readonly guarded: Guarded }>();

  const list = async () => {
    const { providers } = await deps.cache.get("sign-in providers", async () => ({
      providers: await listProviders(deps.database.read),
    }));
    return providers;
  };

  function guardedOf(provider: SignInProvider): Guarded {
    const known = opened.get(provider.id);
    if (known?.updatedAtMs === provider.updatedAtMs) return known.guarded;
    const guarded = guard(deps, provider);
    opened.set(provider.id, { updatedAtMs: provider.updatedAtMs, guarded });
    return guarded;
  }

  return {
    list,
    async get(name) {
      const found = (await list()).find((one) => one.name === name && one.isEnabled);
      if (found === undefined) throw new AppError("NOT_FOUND", "there is no such way to sign in");
      return found;
    },
    async use(provider, signal, work, options = {}) {
      const guarded = guardedOf(provider);
      const limit = AbortSignal.timeout(options.limitMs ?? timeoutMsOf(provider) * answersPerUse);
      const both = signal === undefined ? limit : AbortSignal.any([signal, limit]);
      try {
        return await guarded.run(async () => {
          try {
            return await work(await guarded.build(), both);
          } catch (error) {
            // Who goes away in the middle must not make the provider look down to everybody.
            if (signal?.aborted === true) throw new AppError("OVERLOADED", "the request was given up");
            throw error;
          }
        });
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof AppError && !isFailure(error)) throw error;
        deps.log.warn({ error, provider: provider.name }, "a sign-in provider cannot be used");
        if (error instanceof AppError && error.code === "UNAVAILABLE") throw error;
        throw new AppError(
          "UNAVAILABLE",
          `${provider.displayName} cannot be asked at the moment; try again later`,
          {
            cause: error,
            retryAfterSeconds: 5,
          },
        );
      }
    },
  };
}

interface Guarded {
  run<T>(job: () => Promise<T>): Promise<T>;
  build(): Promise<PasswordProvider | RedirectProvider>;
}

function guard(deps: IdentityDeps, provider: SignInProvider): Guarded {
  const turns = createSemaphore(atOnce, waiting);
  const breaker = createCircuitBreaker({
    clock: deps.clock,
    failures: failuresInARow,
    pauseMs,
    isFailure,
    what: provider.displayName,
  });
  let building: Promise<PasswordProvider | RedirectProvider> | undefined;
  return {
    run: (job) => turns.run(() => breaker.run(job)),
    build() {
      building ??= buildProvider(deps, provider).catch((error: unknown) => {
        building = undefined;
        throw error;
      });
      return building;
    },
  };
}

/** Answers that a provider gave are none: it works. */
function isFailure(error: unknown): boolean {
  if (!(error instanceof AppError)) return true;
  return !["DENIED", "UNAUTHORIZED", "OVERLOADED", "NOT_FOUND"].includes(error.code);
}

function timeoutMsOf({ settings }: SignInProvider): number {
  const seconds: unknown = Reflect.get(settings, "timeoutSeconds");
  return typeof seconds === "number" ? seconds * 1_000 : defaultTimeoutMs;
}
