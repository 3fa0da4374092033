import { createHash } from "node:crypto";
import { type Endpoint, endpoint } from "../../http/endpoint.ts";

/** The two pages that links in mails lead to. Plain, so that they work in any browser and need nothing else. Opening one changes nothing: programs that look for
 * malware open every link of a mail. */
export function accountPageEndpoints(): readonly Endpoint[] {
  const pages = {
    "confirm-email": page("Confirm your e-mail address", {
      fields: "",
      button: "Confirm the address",
      address: "/api/v1/email-verifications",
    }),
    "reset-password": page("Choose a new password", {
      fields: `<label>New password<input id="password" type="password" autocomplete="new-password" required></label>
<label>Again<input id="again" type="password" autocomplete="new-password" required></label>
<label class="line"><input id="revoke" type="checkbox"> Revoke my access tokens, too</label>`,
      button: "Set the password",
      address: "/api/v1/password-resets/completions",
    }),
  };
  return Object.entries(pages).map(([name, { html, policy }]) =>
    endpoint({
      id: `account-pages.${name}`,
      method: "GET",
      path: `/account/${name}`,
      can: { who: "public" },
      summary: "The page that a link in a mail leads to.",
      handle: async () => ({
        status: 200,
        headers: {
          "content-type": "text/html; charset=utf-8",
          "content-security-policy": policy,
          "referrer-policy": "no-referrer",
          "cache-control": "no-store",
        },
        body: { kind: "text", text: html },
      }),
    }),
  );
}

const style = `body{font-family:sans-serif;max-width:26rem;margin:4rem auto;padding:0 1rem;color:#222}
label{display:block;margin:1rem 0}input{display:block;width:100%;box-sizing:border-box;padding:.5rem;font:inherit}
.line input{display:inline;width:auto}button{padding:.6rem 1.2rem;font:inherit}`;

function page(
  title: string,
  form: { readonly fields: string; readonly button: string; readonly address: string },
): { readonly html: string; readonly policy: string } {
  const script = `
const form = document.querySelector("form");
const said = document.querySelector("#said");
const valueOf = (id) => document.querySelector(id)?.value;
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
history.replaceState(null, "", location.pathname);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const password = valueOf("#password");
  if (password !== valueOf("#again")) { said.textContent = "The two passwords differ."; return; }
  const body = password === undefined
    ? { token }
    : { token, password, revokeAccessTokens: document.querySelector("#revoke").checked };
  try {
    const reply = await fetch(${JSON.stringify(form.address)}, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (reply.ok) { form.remove(); said.textContent = "Done. You can sign in now."; return; }
    const problem = await reply.json();
    said.textContent = problem.detail ?? problem.title ?? "This did not work.";
  } catch { said.textContent = "The registry does not answer; try again."; }
});
`;
  const html = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><style>${style}</style></head>
<body><h1>${title}</h1>
<form>${form.fields}
<button>${form.button}</button></form>
<p id="said" role="status"></p>
<noscript>This page needs JavaScript.</noscript>
<script>${script}</script></body>
</html>
`;
  const policy = [
    "default-src 'none'",
    `script-src 'sha256-${digest(script)}'`,
    `style-src 'sha256-${digest(style)}'`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  return { html, policy };
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}
