import type { IncomingHttpHeaders } from "node:http";

const secretGrammar = /^[A-Za-z0-9_-]{43}$/;
const loopback = new Set(["localhost", "127.0.0.1", "[::1]"]);

/**
 * The name of the cookie that holds a session's secret, at this address of the registry. The prefix has browsers refuse it from sibling domains and
 * without TLS (RFC 6265bis, 4.1.3.2). Without TLS there is one on this machine only; elsewhere undefined: it would be read on the way.
 */
export function cookieNameFor(origin: string): string | undefined {
  const { protocol, hostname } = new URL(origin);
  if (protocol === "https:") return "__Host-entrepot";
  return loopback.has(hostname) ? "entrepot" : undefined;
}

/** The secret that a browser shows; undefined when there is none, it has not the form of one, or there are several. */
export function sessionSecretIn(headers: IncomingHttpHeaders, origin: string): string | undefined {
  const { cookie } = headers;
  if (cookie === undefined || !cookie.includes("entrepot=")) return undefined;
  const name = cookieNameFor(origin);
  if (name === undefined) return undefined;
  const values = cookie.split(";").flatMap((part) => {
    const text = part.trim();
    return text.startsWith(`${name}=`) ? [text.slice(name.length + 1)] : [];
  });
  const [secret] = values;
  return values.length === 1 && secret !== undefined && secretGrammar.test(secret) ? secret : undefined;
}

/** Without Max-Age it would go with the window, and people sign in more often than they must; the server ends it in any case. */
export function setSessionCookie(name: string, secret: string, maxAgeMs: number): string {
  return `${name}=${secret}; Path=/; Max-Age=${Math.floor(maxAgeMs / 1_000)}; HttpOnly; SameSite=Lax${secureFor(name)}`;
}

export function clearSessionCookie(name: string): string {
  return `${name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax${secureFor(name)}`;
}

function secureFor(name: string): string {
  return name.startsWith("__Host-") ? "; Secure" : "";
}
