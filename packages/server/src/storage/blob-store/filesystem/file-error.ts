import { AppError, type AppErrorCode } from "../../../lib/app-error.ts";

/** The code of a system error: "ENOENT"; undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** Turns errors of the file system that a caller can be told about into the catalogue's; `missing` is what "no such file" means here. */
export function translate(
  error: unknown,
  missing: Extract<AppErrorCode, "BLOB_UNKNOWN" | "BLOB_UPLOAD_UNKNOWN">,
): unknown {
  switch (systemCode(error)) {
    case "ENOENT":
      return new AppError(missing, "its bytes are not in storage", { cause: error });
    case "ENOSPC":
    case "EDQUOT":
      return new AppError("STORAGE_FULL", "the registry's disk is full; nothing that was stored is lost", {
        cause: error,
      });
    case "EMFILE":
    case "ENFILE":
      return new AppError("OVERLOADED", "the registry has too many files open; try again", {
        cause: error,
        retryAfterSeconds: 1,
      });
    case undefined:
    default:
      return error;
  }
}
