import { json } from "node:stream/consumers";
import { AppError } from "../../../lib/app-error.ts";
import type { GcsAnswer } from "./gcs-session.ts";

/** What the service says of an object that it has stored. */
export interface StoredFacts {
  readonly sizeBytes: number;
  /** In base64; undefined where the service has none, as for some kinds of buckets. */
  readonly md5: string | undefined;
  readonly generation: string;
}

/** `UNAVAILABLE` when the answer describes no object. */
export async function readStored(answer: GcsAnswer): Promise<StoredFacts> {
  const value: unknown = await json(answer.body);
  if (typeof value === "object" && value !== null && "size" in value && "generation" in value) {
    const md5 = "md5Hash" in value && typeof value.md5Hash === "string" ? value.md5Hash : undefined;
    return { sizeBytes: Number(value.size), md5, generation: String(value.generation) };
  }
  throw new AppError("UNAVAILABLE", "the object store does not say what it stored");
}

/** `UNAVAILABLE` when that is not what was sent. */
export function checkStored(
  stored: StoredFacts,
  sent: { readonly sizeBytes: number; readonly md5: string },
): void {
  if (stored.sizeBytes === sent.sizeBytes && (stored.md5 ?? sent.md5) === sent.md5) return;
  throw new AppError("UNAVAILABLE", "the object store stored other bytes than were sent");
}
