/** One server of a comparison, running. */
export interface BenchServer {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
  /** What a signed-in client sends: empty for a server without authentication. */
  headers(repository: string): Promise<Readonly<Record<string, string>>>;
  /** nginx serves files only: it has no uploads, manifests or listings. */
  readonly isRegistry: boolean;
  /** Where its files lie, for seeding what its API would take hours for. */
  readonly dataDir: string;
  readonly startMs: number;
  stop(): Promise<void>;
}
