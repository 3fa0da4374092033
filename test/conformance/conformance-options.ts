import type { AccessMode, Credentials } from "./access.ts";
import type { ProfileName } from "./profile.ts";

/** What to run, against which registry, and as whom. */
export interface ConformanceOptions {
  /** `http://host:port` or `https://host:port`. */
  readonly registry: string;
  readonly profile: ProfileName;
  readonly access: AccessMode;
  /** Needed by the access modes `basic` and `bearer`. */
  readonly credentials?: Credentials;
  /** Receives every push; should be new or empty. Default: `conformance/repo1`. */
  readonly repository?: string;
  /** Blobs are mounted from here. Default: `conformance/repo2`. */
  readonly mountSource?: string;
  /** Run only what starts with this path, for example `image` or `sha256 blobs/mount`. Default: everything. */
  readonly filter?: string;
  /** Limit for one request. Default: 30,000. */
  readonly requestTimeoutMs?: number;
  /** Accept any TLS certificate. Default: false. */
  readonly isInsecure?: boolean;
}
