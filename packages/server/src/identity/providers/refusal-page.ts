import type { IncomingHttpHeaders } from "node:http";
import type { Reply } from "../../http/endpoint.ts";
import { errorTable, toPublicError } from "../../http/error-table.ts";

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Whether a person reads the answer in a browser. */
export function wantsPage(headers: IncomingHttpHeaders): boolean {
  return headers.accept?.includes("text/html") ?? false;
}

/** What went wrong with a sign-in, for a person: the sentence that anybody may read, and the way back. Nothing in it runs or is loaded. */
export function refusalPage(
  error: unknown,
  requestId: string,
  headers: Readonly<Record<string, string>>,
): Reply {
  const { code, message } = toPublicError(error);
  const escape = (text: string) => text.replace(/[&<>"']/g, (character) => escapes[character] ?? "");
  const text = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Not signed in</title>
<h1>You are not signed in</h1>
<p>${escape(message)}.</p>
<p><a href="/">Back to the registry</a></p>
<p><small>Request ${escape(requestId)}</small></p>
</html>
`;
  return {
    status: errorTable[code].status,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy":
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      ...headers,
    },
    body: { kind: "text", text },
  };
}
