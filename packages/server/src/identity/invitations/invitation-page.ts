import { createHash } from "node:crypto";

const style = `body{font-family:sans-serif;max-width:26rem;margin:4rem auto;padding:0 1rem;color:#222}
label{display:block;margin:1rem 0}input{display:block;width:100%;box-sizing:border-box;padding:.5rem;font:inherit}
.line input{display:inline;width:auto}button{padding:.6rem 1.2rem;font:inherit}`;

const script = `
const form = document.querySelector("form");
const said = document.querySelector("#said");
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
history.replaceState(null, "", location.pathname);
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const username = document.querySelector("#username").value;
  const password = document.querySelector("#password").value;
  const headers = { "content-type": "application/json" };
  let body = { token, username, password };
  if (!document.querySelector("#new").checked) {
    body = { token };
    const bytes = new TextEncoder().encode(username + ":" + password);
    headers.authorization = "Basic " + btoa(String.fromCharCode(...bytes));
  }
  try {
    const reply = await fetch("/api/v1/invitations/accept", {
      method: "POST", headers, body: JSON.stringify(body), credentials: "omit",
    });
    const answer = await reply.json();
    if (reply.ok) {
      form.remove();
      said.textContent = "You are in the team " + answer.team + " of " + answer.namespace + " now.";
    } else said.textContent = answer.detail ?? answer.title ?? "This did not work.";
  } catch { said.textContent = "The registry does not answer; try again."; }
});
`;

const html = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Accept the invitation</title><style>${style}</style></head>
<body><h1>Accept the invitation</h1>
<form>
<label>User name<input id="username" autocomplete="username" required></label>
<label>Password<input id="password" type="password" autocomplete="current-password" required></label>
<label class="line"><input id="new" type="checkbox"> I have no account yet: make one with this name and password</label>
<button>Accept</button></form>
<p id="said" role="status"></p>
<noscript>This page needs JavaScript.</noscript>
<script>${script}</script></body>
</html>
`;

/**
 * A plain page that works in any browser. Opening it changes nothing: programs that look for malware open every link of a mail. What the link
 * carries is behind a "#", which browsers send to nobody.
 */
export function invitationPage(): { readonly html: string; readonly policy: string } {
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
