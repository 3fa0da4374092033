import type { BlobStore } from "../../storage/blob-store/blob-store.ts";
import type { Problem } from "./problem.ts";
import type { RegionLooks } from "./region-looks.ts";
import type { VerifiedRegion, VerifiedRegions, VerifyDeps, VerifyOptions } from "./verify-deps.ts";
import { type BlobRow, isBlobAt } from "./verify-store.ts";

type Wrong = Pick<Problem, "kind" | "detail">;

interface WrongCopy {
  readonly region: VerifiedRegion;
  readonly what: Wrong;
}

/**
 * Looks at each copy of a blob by itself; at one of which nobody knows where it lies, until it is found. When none of the copies is sound that count, the other regions are
 * looked at, too: one may still have it that is about to give it up. As long as one copy is sound the blob is, and what is wrong are the others: a
 * repair has them copied again. One in quarantine is "unseen" as well while wrong bytes of it are left, or may be: they would be read. Tells what is wrong with the blob when every copy was seen and none is sound; "unseen" when none is known to be, and a region that may have one does
 * not answer: then nothing is repaired either.
 */
export async function verifyCopies(
  deps: VerifyDeps,
  options: VerifyOptions,
  regions: VerifiedRegions & { readonly looks: RegionLooks },
  { blob, copiesIn }: { readonly blob: BlobRow; readonly copiesIn: readonly string[] },
  look: (store: BlobStore) => Promise<Wrong | undefined>,
): Promise<Wrong | "sound" | "unseen"> {
  const placed = regions.all.filter(({ name }) => copiesIn.includes(name));
  const isPlaced = placed.length > 0;
  const wrong: WrongCopy[] = [];
  let [sound, unseen] = [0, 0];
  for (const region of [...placed, ...regions.all.filter((other) => !placed.includes(other))]) {
    // One in quarantine is given to nobody yet: before it is, no wrong bytes may lie anywhere, said to be placed there or not.
    if (sound > 0 && !placed.includes(region) && !blob.isQuarantined) break;
    const looked = await regions.looks.look(region, look);
    if (looked === undefined) unseen += 1;
    else if (looked.seen === undefined) sound += 1;
    else wrong.push({ region, what: looked.seen });
  }
  // It was somewhere in the list of regions: that it is not in this one is no fault.
  const isDamaged = ({ what }: WrongCopy) => what.kind !== "blob-missing";
  const copies = wrong.filter(
    (copy) =>
      (isPlaced && placed.includes(copy.region)) || ((!isPlaced || blob.isQuarantined) && isDamaged(copy)),
  );
  if (sound + unseen === 0) return (copies[0] ?? wrong[0])?.what ?? "sound";
  const others =
    sound > 0
      ? "another has it as it should be"
      : "whether another has it as it should be is not known, as not all answer";
  let isLeft = false;
  for (const copy of copies) {
    // Collected, or pushed anew, while it was read.
    if (!(await isBlobAt(deps.database.read, blob))) return "sound";
    // Removed there, or to be copied there anew, since where it lies was asked: reading all may take hours.
    if (isPlaced && !blob.isQuarantined && !(await isPlacedIn(regions, blob, copy.region))) continue;
    const isRepaired = options.repair && sound > 0 && (await copyAgain(regions, blob, copy));
    isLeft ||= isDamaged(copy) && !isRepaired;
    options.onProblem({
      kind: copy.what.kind === "blob-missing" ? "copy-missing" : "copy-damaged",
      subject: blob.digest,
      detail: `in the storage region ${copy.region.name}: ${copy.what.detail}; ${others}`,
      affects: [],
      outcome: isRepaired ? "repaired" : "found",
    });
  }
  if (blob.isQuarantined && (isLeft || unseen > 0)) return "unseen";
  return sound > 0 ? "sound" : "unseen";
}

async function isPlacedIn(
  { placedIn }: VerifiedRegions,
  { id }: BlobRow,
  { name }: VerifiedRegion,
): Promise<boolean> {
  return (await placedIn([id])).get(id)?.includes(name) === true;
}

async function copyAgain(
  regions: VerifiedRegions & { readonly looks: RegionLooks },
  blob: BlobRow,
  { region, what }: WrongCopy,
): Promise<boolean> {
  // First: from then on no sound copy is removed elsewhere on account of this one.
  await regions.copyAgain(blob.id, region.name);
  if (what.kind === "blob-missing") return true;
  const removed = await regions.looks.look(region, (store) => store.deleteBlob(blob.location));
  if (removed === undefined) return false;
  // Who was to copy it may have taken what was removed just now for a copy.
  await regions.copyAgain(blob.id, region.name);
  return true;
}
