/** Work for the load process: everything it needs to know, as plain data. */
export type Job = ReadJob | DiscardJob | PushJob | ManifestJob;

export interface ReadJob {
  readonly kind: "read";
  readonly port: number;
  readonly method: "GET" | "HEAD";
  /** Asked for in turn. */
  readonly paths: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly requests: number;
}

/**
 * Reads of large bodies that drops the bytes in the kernel (MSG_TRUNC), one thread a connection: a client that copies them is slower than the
 * servers, and then it is the client that is measured.
 */
export interface DiscardJob extends Omit<ReadJob, "kind" | "method"> {
  readonly kind: "discard";
}

export interface PushJob {
  readonly kind: "push";
  readonly port: number;
  readonly repository: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly requests: number;
  readonly sizeBytes: number;
  /** As docker does (POST, PATCH, PUT), or POST and one PUT with the body. */
  readonly flow: "patch" | "put";
}

/** Manifests that nobody has, each over the same config and with a tag of its own. */
export interface ManifestJob {
  readonly kind: "manifest";
  readonly port: number;
  readonly repository: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly requests: number;
  readonly config: { readonly digest: string; readonly size: number };
}

export interface JobResult {
  readonly seconds: number;
  readonly requests: number;
  readonly bytes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}
