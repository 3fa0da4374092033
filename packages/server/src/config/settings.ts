import { type IpNetwork, parseIpNetwork } from "../lib/ip-network.ts";
import { SettingError } from "./setting-error.ts";

/** One setting: where it is written, what it means, how its text becomes a value. The reference page is generated from these. */
export interface Setting<T> {
  /** Key in the configuration file, with dots for nesting: `database.url`. */
  readonly key: string;
  /** Environment variable; wins over the file. */
  readonly variable: string;
  readonly description: string;
  /** How the reference page shows the default. */
  readonly defaultText: string;
  readonly defaultValue: T;
  readonly isSecret: boolean;
  readonly form: string;
  readonly parse: (text: string) => T;
}

type Options<T> = Pick<Setting<T>, "key" | "variable" | "description"> & {
  readonly defaultValue: T;
  readonly defaultText?: string;
  readonly isSecret?: boolean;
};

function setting<T>(options: Options<T>, form: string, parse: (text: string) => T): Setting<T> {
  return {
    isSecret: false,
    defaultText: options.defaultValue === undefined ? "none" : `\`${String(options.defaultValue)}\``,
    ...options,
    form,
    parse,
  };
}

/** Any text without control characters. */
export function textSetting(options: Options<string>): Setting<string>;
export function textSetting(options: Options<string | undefined>): Setting<string | undefined>;
export function textSetting(options: Options<string | undefined>): Setting<string | undefined> {
  return setting(options, "text", (text) => {
    if (Array.from(text).some((character) => character < " " || character === "\u007f"))
      throw new SettingError("must not contain control characters");
    return text;
  });
}

/** A whole number between two limits, both included. */
export function numberSetting(
  options: Options<number> & { readonly min: number; readonly max: number },
): Setting<number> {
  const { min, max, ...rest } = options;
  return setting(rest, `whole number, ${min} to ${max}`, (text) => {
    const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max))
      throw new SettingError(`must be a whole number from ${min} to ${max}`);
    return value;
  });
}

/** `true` or `false`. */
export function booleanSetting(options: Options<boolean>): Setting<boolean> {
  return setting(options, "`true` or `false`", (text) => {
    if (text !== "true" && text !== "false") throw new SettingError("must be true or false");
    return text === "true";
  });
}

/** One of a closed set of words. */
export function choiceSetting<const T extends string>(
  options: Options<T> & { readonly choices: readonly T[] },
): Setting<T> {
  const { choices, ...rest } = options;
  return setting(rest, choices.map((choice) => `\`${choice}\``).join(", "), (text) => {
    const found = choices.find((choice) => choice === text);
    if (found === undefined) throw new SettingError(`must be one of ${choices.join(", ")}`);
    return found;
  });
}

/** An http or https address without path, query or password. */
export function originSetting(options: Options<string | undefined>): Setting<string | undefined> {
  return setting(options, "`http(s)://host[:port]`", (text) => {
    if (!URL.canParse(text))
      throw new SettingError("must be an address such as https://registry.example.org");
    const url = new URL(text);
    const isOrigin = url.pathname === "/" && url.search === "" && url.hash === "" && url.username === "";
    if (!isOrigin || !["http:", "https:"].includes(url.protocol)) {
      throw new SettingError("must be scheme, host and port only, such as https://registry.example.org");
    }
    return url.origin;
  });
}

/** Networks, separated by commas. */
export function networksSetting(options: Options<readonly IpNetwork[]>): Setting<readonly IpNetwork[]> {
  return setting(options, "networks such as `10.0.0.0/8, fd00::/8`", (text) => {
    try {
      return text
        .split(",")
        .map((part) => part.trim())
        .filter((part) => part !== "")
        .map(parseIpNetwork);
    } catch (error) {
      throw new SettingError(error instanceof Error ? error.message : "must be networks");
    }
  });
}
