import type { Command } from "commander";

/** A command as completion scripts need it. */
export interface CompletableCommand {
  /** Words that lead to it; none for the program itself. */
  readonly path: readonly string[];
  readonly summary: string;
  readonly options: readonly CompletableOption[];
  /** Words that may follow: commands below it, or fixed values of its argument. */
  readonly words: readonly { readonly word: string; readonly summary: string }[];
}

export interface CompletableOption {
  /** `--json`, `-q`. */
  readonly flags: readonly string[];
  readonly summary: string;
  readonly takesValue: boolean;
}

/** The program and all its commands, those above first. Options of the program are offered everywhere. */
export function describeCommands(program: Command): readonly CompletableCommand[] {
  const globals = optionsOf(program);
  const describe = (command: Command, path: readonly string[]): readonly CompletableCommand[] => {
    const below = command.commands.filter((child) => child.name() !== "help");
    const choices = command.registeredArguments.flatMap((argument) => argument.argChoices ?? []);
    const entry: CompletableCommand = {
      path,
      summary: command.summary(),
      options: path.length === 0 ? globals : [...optionsOf(command), ...globals],
      words: [
        ...below.map((child) => ({ word: child.name(), summary: child.summary() })),
        ...choices.map((word) => ({ word, summary: "" })),
      ],
    };
    return [entry, ...below.flatMap((child) => describe(child, [...path, child.name()]))];
  };
  return describe(program, []);
}

function optionsOf(command: Command): readonly CompletableOption[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map((option) => ({
      flags: [option.short, option.long].filter((flag) => flag !== undefined && flag !== null),
      summary: option.description,
      takesValue: option.required || option.optional,
    }));
}
