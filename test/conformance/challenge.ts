import { failure } from "./case-problem.ts";

/** A Bearer challenge; service and scope are empty when absent. */
export interface Challenge {
  readonly realm: string;
  readonly service: string;
  readonly scope: string;
}

/**
 * Reads one `Www-Authenticate` value as the least capable client would: the scheme comes first, every parameter is quoted.
 * Throws a failed case when it is not a Bearer challenge or has no realm.
 */
export function parseChallenge(header: string): Challenge {
  if (!/^Bearer\s/i.test(header))
    throw failure(`expected a Bearer challenge first, received ${JSON.stringify(header)}`);
  const parameters = new Map<string, string>();
  for (const [, name, value] of header.matchAll(/([a-zA-Z_]+)="([^"]*)"/g)) {
    if (name !== undefined && value !== undefined) parameters.set(name.toLowerCase(), value);
  }
  const realm = parameters.get("realm");
  if (realm === undefined)
    throw failure(`Bearer challenge without a quoted realm: ${JSON.stringify(header)}`);
  return { realm, service: parameters.get("service") ?? "", scope: parameters.get("scope") ?? "" };
}
