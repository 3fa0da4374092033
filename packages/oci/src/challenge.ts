/** One challenge of a `WWW-Authenticate` header. */
export interface Challenge {
  readonly scheme: "bearer" | "basic";
  /** By name in lower case; the first of two with one name. */
  readonly parameters: Readonly<Record<string, string>>;
}

const token = /[!#$%&'*+\-.^_`|~0-9A-Za-z]/;
const space = /\s/;

/**
 * Parses a `WWW-Authenticate` header (RFC 9110, 11.6.1): several challenges in one value, values quoted or not; a value without quotes ends at
 * white space or a comma, as registries send addresses so. Schemes other than Bearer and Basic and anything malformed are passed over: no
 * text throws, and one that holds no challenge gives an empty list.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: Challenge["scheme"]; parameters: Map<string, string> }[] = [];
  // Of the challenge being read; those of an unknown scheme are read, too, and forgotten.
  let parameters = new Map<string, string>();
  let position = 0;
  while (position < header.length) {
    const word = readWhile(header, position, (character) => token.test(character));
    if (word.text === "") {
      position++;
      continue;
    }
    const next = skipSpace(header, word.end);
    if (header.charAt(next) === "=") {
      const value = readValue(header, skipSpace(header, next + 1));
      const name = word.text.toLowerCase();
      if (!parameters.has(name)) parameters.set(name, value.text);
      position = value.end;
      continue;
    }
    position = word.end;
    parameters = new Map();
    const scheme = word.text.toLowerCase();
    if (scheme === "bearer" || scheme === "basic") challenges.push({ scheme, parameters });
  }
  return challenges.map((read) => ({ scheme: read.scheme, parameters: Object.fromEntries(read.parameters) }));
}

/** A piece of the header and the position after it. */
interface Piece {
  readonly text: string;
  readonly end: number;
}

function readWhile(header: string, start: number, isPart: (character: string) => boolean): Piece {
  let end = start;
  while (end < header.length && isPart(header.charAt(end))) end++;
  return { text: header.slice(start, end), end };
}

function skipSpace(header: string, start: number): number {
  return readWhile(header, start, (character) => space.test(character)).end;
}

function readValue(header: string, start: number): Piece {
  return header.charAt(start) === '"'
    ? readQuoted(header, start + 1)
    : readWhile(header, start, (character) => character !== "," && !space.test(character));
}

/** `start` is behind the opening quote; a value that is never closed ends with the header. */
function readQuoted(header: string, start: number): Piece {
  let text = "";
  let end = start;
  while (end < header.length && header.charAt(end) !== '"') {
    if (header.charAt(end) === "\\") end++;
    text += header.charAt(end);
    end++;
  }
  return { text, end: end + 1 };
}

/**
 * A Bearer challenge with every value quoted: some clients accept no others. An empty scope is left out; characters that a header cannot
 * carry become `?`. Keep the words bearer and basic out of the values: clients exist that take the last such word for the scheme.
 */
export function formatBearerChallenge(challenge: {
  readonly realm: string;
  readonly service: string;
  readonly scope?: string;
  readonly error?: "invalid_token" | "insufficient_scope";
}): string {
  const { realm, service, scope, error } = challenge;
  return [
    `Bearer realm=${quote(realm)}`,
    `service=${quote(service)}`,
    ...(scope === undefined || scope === "" ? [] : [`scope=${quote(scope)}`]),
    ...(error === undefined ? [] : [`error=${quote(error)}`]),
  ].join(",");
}

/** A Basic challenge that asks for UTF-8 (RFC 7617, 2.1). Goes behind the Bearer challenge where both are sent. */
export function formatBasicChallenge(realm: string): string {
  return `Basic realm=${quote(realm)}, charset="UTF-8"`;
}

function quote(value: string): string {
  return `"${value.replace(/[^\x20-\x7e]/g, "?").replace(/["\\]/g, "\\$&")}"`;
}
