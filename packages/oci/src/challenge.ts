/** One challenge of a `WWW-Authenticate` header; parameter names in lower case. */
export interface Challenge {
  readonly scheme: "bearer" | "basic";
  readonly parameters: Readonly<Record<string, string>>;
}

const token = /[!#$%&'*+\-.^_`|~0-9A-Za-z]/;

/**
 * Parses a `WWW-Authenticate` header (RFC 9110, 11.6.1): several challenges in one value, values quoted or not. Schemes other than Bearer and
 * Basic and anything malformed are passed over.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: Challenge[] = [];
  let parameters: Record<string, string> | undefined;
  let position = 0;
  const skip = (pattern: RegExp) => {
    while (position < header.length && pattern.test(header[position] ?? "")) position++;
  };
  const readToken = () => {
    const start = position;
    skip(token);
    return header.slice(start, position);
  };
  while (position < header.length) {
    skip(/[\s,]/);
    const word = readToken();
    if (word === "") {
      position++;
      continue;
    }
    const afterWord = position;
    skip(/\s/);
    if (header[position] === "=") {
      position++;
      skip(/\s/);
      const value = header[position] === '"' ? readQuoted() : readToken();
      if (parameters !== undefined) parameters[word.toLowerCase()] ??= value;
      continue;
    }
    position = afterWord;
    parameters = {};
    const scheme = word.toLowerCase();
    if (scheme === "bearer" || scheme === "basic") challenges.push({ scheme, parameters });
  }
  return challenges;

  function readQuoted(): string {
    let value = "";
    for (position++; position < header.length && header[position] !== '"'; position++) {
      if (header[position] === "\\") position++;
      value += header[position] ?? "";
    }
    position++;
    return value;
  }
}

/** A Bearer challenge with every value quoted: some clients accept no others. */
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

export function formatBasicChallenge(realm: string): string {
  return `Basic realm=${quote(realm)}, charset="UTF-8"`;
}

function quote(value: string): string {
  return `"${value.replace(/[^\x20-\x7e]/g, "?").replace(/["\\]/g, "\\$&")}"`;
}
