/** A setting whose text is not of its form; the sentence goes on after "ENTREPOT_X ". Never quotes the text: it may be a secret. */
export class SettingError extends Error {
  override readonly name = "SettingError";
}

/** Everything that is wrong with the configuration, one sentence each, all found at once. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the configuration is not valid:\n${problems.map((problem) => `  - ${problem}`).join("\n")}`);
    this.problems = problems;
  }
}
