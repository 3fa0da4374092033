import type { BlobStore } from "../../storage/blob-store/blob-store.ts";
import type { Problem } from "./problem.ts";
import type { VerifyDeps, VerifyOptions } from "./verify-deps.ts";
import { type BlobRow, isBlobAt } from "./verify-store.ts";

type Wrong = Pick<Problem, "kind" | "detail">;

/**
 * Looks at each copy of a blob by itself. As long as one is sound the blob is, and what is wrong are the others: a repair has them copied again. Tells what is wrong
 * with the blob when no copy is sound.
 */
export async function verifyCopies(
  deps: VerifyDeps,
  options: VerifyOptions,
  { blob, copiesIn }: { readonly blob: BlobRow; readonly copiesIn: readonly string[] },
  look: (store: BlobStore) => Promise<Wrong | undefined>,
): Promise<Wrong | undefined> {
  const copies = (deps.regions?.all ?? []).filter(({ name }) => copiesIn.includes(name));
  const wrong: { readonly name: string; readonly store: BlobStore; readonly what: Wrong }[] = [];
  for (const { name, store } of copies) {
    const what = await look(store);
    if (what !== undefined) wrong.push({ name, store, what });
  }
  if (wrong.length === copies.length) return wrong[0]?.what ?? (await look(deps.blobs));
  for (const { name, store, what } of wrong) {
    // Collected, or pushed anew, while it was read.
    if (!(await isBlobAt(deps.database.read, blob))) return undefined;
    if (options.repair) {
      await store.deleteBlob(blob.location);
      await deps.regions?.copyAgain(blob.id, name);
    }
    options.onProblem({
      kind: what.kind === "blob-missing" ? "copy-missing" : "copy-damaged",
      subject: blob.digest,
      detail: `in the storage region ${name} it ${what.detail}; another has it as it should be`,
      affects: [],
      outcome: options.repair ? "repaired" : "found",
    });
  }
  return undefined;
}
