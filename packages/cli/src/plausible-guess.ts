const guess =
  /unknown (?:command|option) '(?<word>[^']*)'\n(?<all>\(Did you mean (?:one of )?(?<names>[^?]+)\?\))/;

/**
 * What commander says of a mistake, with a guess of what was meant only where it can be a slip of the fingers: one letter in a short word, two in a
 * longer one. Commander itself guesses `serve` for `remove`. Other text comes back as it is.
 */
export function keepPlausibleGuess(text: string): string {
  const { word = "", all = "", names = "" } = guess.exec(text)?.groups ?? {};
  if (all === "") return text;
  const near = names.split(", ").filter((name) => isSlip(word, name));
  if (near.length === 0) return text.replace(`\n${all}`, "");
  return text.replace(all, `(Did you mean ${near.join(" or ")}?)`);
}

function isSlip(word: string, meant: string): boolean {
  const [typed, name] = [word.replace(/^--/, ""), meant.replace(/^--/, "")];
  return editsBetween(typed, name) <= (Math.min(typed.length, name.length) <= 5 ? 1 : 2);
}

/** Letters that are missing, too many, wrong, or in the wrong order with their neighbour (optimal string alignment). */
function editsBetween(a: string, b: string): number {
  let before: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: b.length + 1 }, (_, index) => index);
  const at = (row: readonly number[], index: number) => row[index] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const isSame = a[i - 1] === b[j - 1];
      const isSwapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const edits = [at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (isSame ? 0 : 1)];
      if (isSwapped) edits.push(at(before, j - 2) + 1);
      row.push(Math.min(...edits));
    }
    before = last;
    last = row;
  }
  return at(last, b.length);
}
