import { AppError } from "../../../lib/app-error.ts";

const advice: ReadonlyMap<string, string> = new Map([
  ["ENOTFOUND", "no such host: check the address in storage.url"],
  ["EAI_AGAIN", "the name server does not answer: check DNS on this machine"],
  ["ECONNREFUSED", "nothing listens there: check host and port of the address in storage.url"],
  [
    "ECONNRESET",
    "the connection is cut: check whether http or https is spoken there, and what stands between",
  ],
  ["UND_ERR_SOCKET", "the connection is cut: check whether http or https is spoken there"],
  ["EHOSTUNREACH", "no way there from this machine: check the network"],
  ["ENETUNREACH", "no way there from this machine: check the network"],
  ["EPROTO", "https is asked where http is spoken: check the address in storage.url"],
  ["ERR_SSL_WRONG_VERSION_NUMBER", "https is asked where http is spoken: check the address in storage.url"],
  ["HPE_INVALID_CONSTANT", "http is asked where something else is spoken: check the address in storage.url"],
]);
const late = "no answer in time: check the address, and whether a firewall lets this machine through";
const untrusted =
  "its certificate is not trusted: name who signed it in NODE_EXTRA_CA_CERTS, or check the host name in storage.url";
const maxCauses = 5;

/**
 * An error of a request that got no answer as `UNAVAILABLE`, with the network's code and what to look at. The code is that of the innermost cause, as libraries wrap it.
 * Names no host: storage addresses are shown in more places than they may be. `ofNames` is added where there is no host of the name.
 */
export function explainUnreachable(error: unknown, ofNames?: string): AppError {
  const code = networkCode(error);
  const known = adviceFor(code);
  const what = code === "ENOTFOUND" && ofNames !== undefined ? `${known ?? ""}; ${ofNames}` : known;
  const sentence = `the object store cannot be reached (${code})${what === undefined ? "" : `: ${what}`}`;
  return new AppError("UNAVAILABLE", sentence, { cause: error });
}

function adviceFor(code: string): string | undefined {
  if (/CERT|SELF_SIGNED|UNABLE_TO_/.test(code)) return untrusted;
  if (/TIMEOUT|TimeoutError|ETIMEDOUT|AbortError/.test(code)) return late;
  return advice.get(code);
}

function networkCode(error: unknown): string {
  let found = error instanceof Error ? error.name : "no answer";
  let each = error;
  for (let depth = 0; depth < maxCauses && each instanceof Error; depth += 1) {
    if ("code" in each && typeof each.code === "string" && each.code !== "REQUEST_SEND_ERROR")
      found = each.code;
    // Of several addresses of one host each has failed.
    each = each instanceof AggregateError ? each.errors[0] : each.cause;
  }
  return found;
}
