import type { UploadId } from "../blob-store.ts";
import { partsOfLocation } from "../names.ts";

const form = /^[a-z](?:-?[a-z0-9]){0,22}$/;

/** Names one storage region for good: a lower-case letter, then letters, digits and single hyphens, at most 23 characters. */
export function isRegionName(text: string): boolean {
  return form.test(text) && text.length <= 23;
}

/**
 * The id of an upload whose bytes go to that region, whichever instance takes them: `<uuid>--<region>`. The location of the blob that it becomes has it, too, so
 * where bytes began is known without asking anybody.
 */
export function uploadIdIn(region: string, uuid: string): UploadId {
  return `${uuid}--${region}` as UploadId; // as: of an upload id's characters, 61 at most
}

/** Undefined for an upload that was begun before there were regions. */
export function regionOfUpload(id: string): string | undefined {
  const at = id.indexOf("--");
  return at < 0 ? undefined : id.slice(at + 2);
}

/** Where the bytes of a blob were first stored; undefined for those from before there were regions. */
export function regionOfLocation(location: string): string | undefined {
  return regionOfUpload(partsOfLocation(location).uploadId);
}
