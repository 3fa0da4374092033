import { choiceSetting } from "./settings.ts";

/** What may be shown. */
export const credentialSettings = {
  passwordsOnRegistry: choiceSetting({
    key: "signIn.passwordsOnRegistry",
    variable: "ENTREPOT_SIGN_IN_PASSWORDS_ON_REGISTRY",
    choices: ["allowed", "encrypted", "refused"],
    defaultValue: "allowed",
    description:
      "What `/v2` and `/token` take of people's passwords: them; only encrypted client passwords, so that no password need lie in a docker config; or neither. Access tokens are always taken, and the management API always takes passwords.",
  }),
};
