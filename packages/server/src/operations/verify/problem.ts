/** What can be wrong, and what a repair does about it. */
export const problemKinds = [
  "blob-missing", // the bytes are not there: quarantine, so that the next push brings them back
  "blob-damaged", // the bytes have another size or digest: quarantine
  "copy-missing", // another storage region has the right bytes, this one has none: copied there again
  "copy-damaged", // another storage region has the right bytes, those in this one are wrong: removed and copied again
  "manifest-damaged", // the bytes in the row have another digest: taken from another repository that has it
  "reference-row-missing", // the manifest names it, the table does not say so: written down
  "reference-row-surplus", // the table says so, the manifest does not: deleted
  "content-missing", // the manifest names it, the repository does not have it: linked again when the registry has it
  "unmarked", // nothing needs it, but the collector does not know: told
  "stray-object", // bytes that no row knows, older than the grace: removed
] as const;
export type ProblemKind = (typeof problemKinds)[number];

/** One thing that is wrong, named so that a person finds it. */
export interface Problem {
  readonly kind: ProblemKind;
  /** A digest, a location, or a manifest as repository@digest. */
  readonly subject: string;
  readonly detail: string;
  /** Who is affected: repository:tag, repository@digest or repository; not all when there are many. */
  readonly affects: readonly string[];
  /** `quarantined` = kept from being served; the next push of the same content heals it. */
  readonly outcome: "found" | "repaired" | "quarantined";
}
