import type { IncomingHttpHeaders } from "node:http";
import type { Reply } from "../../http/endpoint.ts";
import { errorTable, toPublicError } from "../../http/error-table.ts";
import type { Offer } from "../mfa/offer-factors.ts";

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

/** What went wrong with a sign-in, for a person: the sentence that anybody may read, and the way back. */
export function refusalPage(
  error: unknown,
  requestId: string,
  headers: Readonly<Record<string, string>>,
): Reply {
  const { code, message } = toPublicError(error);
  const text = `<h1>You are not signed in</h1>
<p>${escape(message)}.</p>
<p><a href="/">Back to the registry</a></p>
<p><small>Request ${escape(requestId)}</small></p>`;
  return page(errorTable[code].status, text, headers);
}

/** Asks for the second factor that somebody has here; without script, so for codes only. */
export function secondFactorPage(offer: Offer, headers: Readonly<Record<string, string>>): Reply {
  const form = (name: string, label: string) => `<form method="post" action="/api/v1/sign-in/mfa">
<input type="hidden" name="ticket" value="${escape(offer.ticket)}">
<label>${label} <input name="${name}" autocomplete="one-time-code" required></label> <button>Sign in</button>
</form>`;
  const forms = [
    ...(offer.methods.includes("totp") ? [form("code", "Code of your authenticator app")] : []),
    ...(offer.methods.includes("recovery-code") ? [form("recoveryCode", "Recovery code")] : []),
  ];
  return page(200, `<h1>One more proof</h1>\n${forms.join("\n")}`, headers);
}

/** Nothing in it runs or is loaded, and nobody else shows it. */
function page(status: number, text: string, headers: Readonly<Record<string, string>>): Reply {
  return {
    status,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy":
        "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
      "cache-control": "no-store",
      "referrer-policy": "same-origin",
      ...headers,
    },
    body: {
      kind: "text",
      text: `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sign in</title>
${text}
</html>
`,
    },
  };
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => escapes[character] ?? "");
}
