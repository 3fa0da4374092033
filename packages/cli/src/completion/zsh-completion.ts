import type { CompletableCommand } from "./command-tree.ts";

/** A zsh completion script, to be kept as \`_entrepot\` in a folder of \`fpath\`. */
export function zshCompletion(commands: readonly CompletableCommand[]): string {
  const cases = commands.map(({ path, words, options }) => {
    const entries = [
      ...words.map(({ word, summary }) => entry(word, summary)),
      ...options.flatMap(({ flags, summary }) => flags.map((flag) => entry(flag, summary))),
    ];
    return `    "${path.join(" ")}") entries=(${entries.join(" ")}) ;;`;
  });
  const paths = commands.filter(({ path }) => path.length > 0).map(({ path }) => `"${path.join(" ")}"`);
  return `#compdef entrepot
# zsh completion for entrepot
_entrepot() {
  local command_path="" next word
  local -a entries
  for word in "\${(@)words[2,CURRENT-1]}"; do
    next="\${command_path:+$command_path }$word"
    case "$next" in
      ${paths.join(" | ")}) command_path="$next" ;;
    esac
  done
  case "$command_path" in
${cases.join("\n")}
  esac
  _describe 'entrepot' entries || _files
}
compdef _entrepot entrepot
`;
}

/** \`'word:description'\`; a colon would end the word, a quote the string. */
function entry(word: string, summary: string): string {
  const text = summary.replaceAll("\\", "\\\\").replaceAll(":", "\\:").replaceAll("'", "'\\''");
  return `'${word}${text === "" ? "" : `:${text}`}'`;
}
