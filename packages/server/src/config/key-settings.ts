import { textSetting } from "./settings.ts";

/** Where the keys come from that seal secrets. */
export const keySettings = {
  secretKey: textSetting({
    key: "secretKey",
    variable: "ENTREPOT_SECRET_KEY",
    defaultValue: undefined,
    defaultText: "`secret.key` in the data folder, made when missing",
    isSecret: true,
    description:
      "Key that seals secrets in the database and hashes tokens: at least 32 random bytes in base64 or hexadecimal. The same for every process that shares a database. Several, separated by commas: the first is used, the others still open what was sealed with them.",
  }),
  secretKeyCommand: textSetting({
    key: "secretKeyCommand",
    variable: "ENTREPOT_SECRET_KEY_COMMAND",
    defaultValue: undefined,
    defaultText: "none",
    description:
      "Instead of `secretKey`: a program and its arguments, separated by spaces and run without a shell, that prints the keys in the same form; for key management services. Run once at start, for 30 seconds at most.",
  }),
};
