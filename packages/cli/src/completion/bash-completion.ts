import type { CompletableCommand } from "./command-tree.ts";

/** A bash completion script. Names come from the program itself and hold no character that a shell would read. */
export function bashCompletion(commands: readonly CompletableCommand[]): string {
  const cases = commands.map(({ path, words, options }) => {
    const offered = [...words.map(({ word }) => word), ...options.flatMap(({ flags }) => flags)];
    return `    "${path.join(" ")}") words="${offered.join(" ")}" ;;`;
  });
  const paths = commands.filter(({ path }) => path.length > 0).map(({ path }) => `"${path.join(" ")}"`);
  return `# bash completion for entrepot; load it with: source <(entrepot completion bash)
_entrepot() {
  local current="\${COMP_WORDS[COMP_CWORD]}" path="" next words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${path:+$path }$word"
    case "$next" in
      ${paths.join(" | ")}) path="$next" ;;
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _entrepot entrepot
`;
}
