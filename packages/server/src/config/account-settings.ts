import { tryParseEmailAddress } from "../lib/email-address.ts";
import { SettingError } from "./setting-error.ts";
import { choiceSetting, type Setting, textSetting } from "./settings.ts";

/** Who may make an account for themselves. */
export const accountSettings = {
  signUp: choiceSetting({
    key: "accounts.signUp",
    variable: "ENTREPOT_SIGN_UP",
    choices: ["off", "invitation", "domains", "open"],
    defaultValue: "off",
    description:
      "Who may make an account for themselves: nobody; whoever was invited; whoever has an address of `accounts.allowedDomains`; or everybody. The account is there when the link in the mail was followed, so this needs `smtp.host`.",
  }),
  allowedDomains: domainsSetting({
    key: "accounts.allowedDomains",
    variable: "ENTREPOT_SIGN_UP_DOMAINS",
    description:
      "Domains of e-mail addresses that may sign up with `domains`, separated by commas: `example.org,example.com`. Subdomains are others.",
  }),
} as const;

/** What is wrong with the settings together; one sentence each. */
export function accountProblems(settings: {
  readonly signUp: string;
  readonly allowedDomains: readonly string[];
}): readonly string[] {
  if (settings.signUp !== "domains" || settings.allowedDomains.length > 0) return [];
  return ["accounts.signUp is domains: accounts.allowedDomains must name one"];
}

function domainsSetting(
  options: Pick<Setting<unknown>, "key" | "variable" | "description">,
): Setting<readonly string[]> {
  const text = textSetting({ ...options, defaultValue: "", defaultText: "none" });
  return {
    ...text,
    defaultValue: [],
    form: "domains, separated by commas",
    parse: (value) =>
      text
        .parse(value)
        .split(",")
        .map((part) => part.trim())
        .filter((part) => part !== "")
        .map((part) => {
          const [, domain] = (tryParseEmailAddress(`x@${part}`) ?? "").split("@");
          if (domain === undefined)
            throw new SettingError(`has ${part}, which is no domain such as example.org`);
          return domain;
        }),
  };
}
