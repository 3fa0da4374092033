import { AppError } from "../../../lib/app-error.ts";

/** What is used of a key file of Google's. */
export interface GoogleKeyFile {
  readonly type: "service_account" | "external_account";
  readonly client_email: string;
  readonly private_key: string;
  readonly private_key_id: string;
  readonly service_account_impersonation_url: string | undefined;
}

/** The file as it is; `UNAVAILABLE` when it is of no kind that we take, without quoting it. `setting` names the file in messages. */
export function parseGoogleKeys(text: string, setting = "storage.keysFile"): GoogleKeyFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw notGoogleKeys(setting);
  }
  if (typeof value !== "object" || value === null || !("type" in value)) throw notGoogleKeys(setting);
  const isText = (name: string) => typeof Reflect.get(value, name) === "string";
  const isServiceAccount =
    value.type === "service_account" && isText("client_email") && isText("private_key");
  if (!isServiceAccount && value.type !== "external_account") throw notGoogleKeys(setting);
  return value as GoogleKeyFile; // as: checked above
}

export function notGoogleKeys(setting = "storage.keysFile"): AppError {
  return new AppError(
    "UNAVAILABLE",
    `${setting} is no key file of Google's: those are JSON with the type service_account or external_account`,
  );
}
