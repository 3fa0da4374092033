import { Argument, Command } from "commander";
import { bashCompletion } from "../completion/bash-completion.ts";
import { describeCommands } from "../completion/command-tree.ts";
import { fishCompletion } from "../completion/fish-completion.ts";
import { zshCompletion } from "../completion/zsh-completion.ts";

const shells = ["bash", "zsh", "fish"] as const;
type Shell = (typeof shells)[number];

/** `entrepot completion`: generated from the commands themselves, so it cannot lag behind them. */
export function completionCommand(root: () => Command): Command {
  return new Command("completion")
    .summary("print a completion script for a shell")
    .addArgument(new Argument("<shell>", "shell to write for").choices(shells))
    .addHelpText(
      "after",
      '\nExamples:\n  source <(entrepot completion bash)\n  entrepot completion zsh > "${fpath[1]}/_entrepot"\n  entrepot completion fish > ~/.config/fish/completions/entrepot.fish',
    )
    .action((shell: Shell) => {
      process.stdout.write(scriptOf(shell, root()));
    });
}

function scriptOf(shell: Shell, program: Command): string {
  const commands = describeCommands(program);
  switch (shell) {
    case "bash":
      return bashCompletion(commands);
    case "zsh":
      return zshCompletion(commands);
    case "fish":
      return fishCompletion(commands);
  }
}
