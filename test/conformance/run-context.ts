import type { DigestAlgorithm } from "./content-digest.ts";
import type { Profile } from "./profile.ts";
import type { RegistryClient } from "./registry-client.ts";

/** The four ways to push a blob, in order of preference when nothing is known about the registry yet. */
export const pushMethods = ["post-put", "post-only", "patch-stream", "patch-chunked"] as const;
export type PushMethod = (typeof pushMethods)[number];

/** What every case of a run shares. */
export interface RunContext {
  readonly client: RegistryClient;
  readonly profile: Profile;
  /** Receives every push. */
  readonly repository: string;
  /** Blobs are mounted from here. */
  readonly mountSource: string;
  readonly pushMemory: PushMemory;
}

/** What the run has learned about pushing blobs to this registry. Changes as cases run, so cases run one by one. */
export class PushMemory {
  readonly #tried = new Set<string>();
  readonly #passed = new Set<PushMethod>();
  readonly #failed = new Set<PushMethod>();
  #chunkMinimumBytes = 1024;

  /** The smallest chunk this registry wants, from `OCI-Chunk-Min-Length`; never below 1024 bytes. */
  get chunkMinimumBytes(): number {
    return this.#chunkMinimumBytes;
  }

  rememberChunkMinimum(bytes: number): void {
    this.#chunkMinimumBytes = Math.max(this.#chunkMinimumBytes, bytes);
  }

  rememberPush(method: PushMethod, algorithm: DigestAlgorithm, hasPassed: boolean): void {
    this.#tried.add(method).add(`${method} ${algorithm}`);
    (hasPassed ? this.#passed : this.#failed).add(method);
  }

  /** All methods, the most useful to try first: never tried, not tried with this algorithm, always passed, the others. */
  methodsToTry(algorithm: DigestAlgorithm): readonly PushMethod[] {
    const rank = (method: PushMethod): number => {
      if (!this.#tried.has(method)) return 0;
      if (!this.#tried.has(`${method} ${algorithm}`)) return 1;
      return this.#passed.has(method) && !this.#failed.has(method) ? 2 : 3;
    };
    return pushMethods.toSorted((a, b) => rank(a) - rank(b));
  }
}
