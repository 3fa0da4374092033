import type { Finding } from "./finding.ts";

/** Long-term support is what operators are told to run; a newer major version works, but nobody promises it. */
const testedMajor = 24;

/** Looks at Node.js; `version` without the leading v. Too old a version never gets here: `bin/entrepot.mjs` refuses it. */
export function checkRuntime(version: string): readonly Finding[] {
  const isTested = version.startsWith(`${testedMajor}.`);
  const message = isTested
    ? `Node.js ${version}`
    : `Node.js ${version}; the tests run with Node.js ${testedMajor}`;
  return [{ name: "runtime", ok: true, message }];
}
