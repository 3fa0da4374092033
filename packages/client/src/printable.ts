const limitCharacters = 500;

/** Outside text as a message may show it: cut to 500 characters; what moves a terminal's cursor or turns a line around becomes a space. */
export function printable(text: string): string {
  const cut = text.length > limitCharacters ? `${text.slice(0, limitCharacters)}…` : text;
  return cut.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, " ");
}
