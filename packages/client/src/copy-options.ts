import type { Digest } from "@entrepot/oci/digest";
import type { Reference } from "@entrepot/oci/reference";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { TagName } from "@entrepot/oci/tag-name";
import type { RegistryClient } from "./registry-client.ts";

/** What a copy tells while it runs. */
export type CopyEvent =
  | {
      readonly kind: "planned";
      readonly manifests: number;
      readonly blobs: number;
      readonly totalBytes: number;
    }
  /** `movedBytes` goes back when a transfer broke and begins anew. */
  | {
      readonly kind: "progress";
      readonly digest: Digest;
      readonly movedBytes: number;
      readonly sizeBytes: number;
    }
  | {
      readonly kind: "blob";
      readonly digest: Digest;
      readonly sizeBytes: number;
      readonly how: "sent" | "mounted" | "present";
    }
  | { readonly kind: "manifest"; readonly digest: Digest; readonly mediaType: string };

export interface CopyImageOptions {
  readonly source: {
    readonly client: RegistryClient;
    readonly repository: RepositoryName;
    readonly reference: Reference;
  };
  /** Without tags, only the digest leads to the copy. */
  readonly target: {
    readonly client: RegistryClient;
    readonly repository: RepositoryName;
    readonly tags: readonly TagName[];
  };
  /** Of an index, only the image for this platform: `linux/arm64` or `linux/arm/v7`. */
  readonly platform?: string;
  /** Signatures, SBOMs and whatever else refers to what is copied; theirs, too. */
  readonly withReferrers?: boolean;
  /** Blobs under way at once; 4 when absent. */
  readonly concurrency?: number;
  /** Bytes of a blob in one request; see `uploadBlob`. */
  readonly chunkBytes?: number;
  readonly onEvent?: (event: CopyEvent) => void;
  readonly signal?: AbortSignal;
}

export interface CopyResult {
  /** Of the manifest that the tags point to now. */
  readonly digest: Digest;
  readonly mediaType: string;
  readonly manifests: number;
  /** Blobs sent, taken over within the registry, and there before. */
  readonly blobs: { readonly sent: number; readonly mounted: number; readonly present: number };
  readonly sentBytes: number;
}
