import type { RepositoryName } from "@entrepot/oci/repository-name";
import type { UploadId } from "../../storage/blob-store/blob-store.ts";
import type { RegistryDeps } from "../registry-deps.ts";
import { unknownUpload } from "./hold-upload.ts";
import { findUpload, type Upload, wasBegunWith } from "./upload-store.ts";

/** The state of an upload: what it tells is durable. `BLOB_UPLOAD_UNKNOWN` when the repository has none of that id. */
export async function getUpload(
  deps: RegistryDeps,
  target: { readonly repository: RepositoryName; readonly id: UploadId },
): Promise<Upload> {
  const upload = await findUpload(deps.database.read, target.repository, target.id);
  if (upload === undefined) throw unknownUpload(target.id);
  return upload;
}

/** Whether the upload of that repository was begun with the bearer token of that mark. */
export async function isGoneOnWith(
  deps: RegistryDeps,
  upload: { readonly repository: string; readonly id: string; readonly mark: string },
): Promise<boolean> {
  return wasBegunWith(deps.database.read, upload);
}
