import type { CompletableCommand, CompletableOption } from "./command-tree.ts";

/** A fish completion script. */
export function fishCompletion(commands: readonly CompletableCommand[]): string {
  const lines = commands.flatMap(({ path, words, options }) => {
    const condition = quote(conditionFor(path, words));
    return [
      ...words.map(
        ({ word, summary }) =>
          `complete -c entrepot -n ${condition} -f -a ${quote(word)} -d ${quote(summary)}`,
      ),
      ...options.map(
        (option) => `complete -c entrepot -n ${condition} ${flagsOf(option)} -d ${quote(option.summary)}`,
      ),
    ];
  });
  return `# fish completion for entrepot\n${lines.join("\n")}\n`;
}

/** Where a command's words and options are offered: behind its own words and before those of a command below it. */
function conditionFor(path: readonly string[], words: CompletableCommand["words"]): string {
  const own = path.map((word) => `__fish_seen_subcommand_from ${word}`);
  const below =
    words.length === 0 ? [] : [`not __fish_seen_subcommand_from ${words.map(({ word }) => word).join(" ")}`];
  const all = [...own, ...below];
  return all.length === 0 ? "true" : all.join("; and ");
}

function flagsOf({ flags, takesValue }: CompletableOption): string {
  const parts = flags.map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  return [...parts, ...(takesValue ? ["-r"] : [])].join(" ");
}

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
