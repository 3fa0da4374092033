import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { AuditSource } from "../activity/audit/record-audit.ts";
import type { BlobLocation, UploadId } from "../storage/blob-store/blob-store.ts";
import type { Tx } from "../storage/database/database.ts";

/** What the registry area asks of those who keep content in several storage regions. */
export interface ContentRegions {
  /** An id for an upload to the repository: it says in which region the bytes will lie. `UNAVAILABLE` when there is none where they may. */
  newUploadId(repository: RepositoryName): Promise<UploadId>;
  /**
   * To be called in the transaction that links a blob: writes down where it is to be copied. `storedAt` when its bytes have just come there.
   */
  noteLink(
    tx: Tx,
    link: {
      readonly repositoryId: number;
      readonly blobId: number;
      readonly storedAt: BlobLocation | undefined;
      readonly nowMs: number;
    },
  ): Promise<void>;
  /**
   * Before a transaction by which content comes under the rules of another namespace. What it answers is to be called in that transaction: has everything compared with
   * where it may lie then.
   */
  compareAfter(source: AuditSource): Promise<(tx: Tx) => Promise<void>>;
}
