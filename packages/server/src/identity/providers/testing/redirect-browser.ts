/** Goes where it is sent, with a jar of cookies for each origin, as a browser does. */
export interface RedirectBrowser {
  /** One request; no redirect is followed. */
  visit(
    url: string,
    init?: { readonly method?: string; readonly form?: Record<string, string> },
  ): Promise<Response>;
  /** Follows redirects until there is none; the last address and reply. */
  follow(url: string): Promise<{ readonly url: URL; readonly reply: Response }>;
  cookies(origin: string): string;
  /** Takes a `Set-Cookie` line of a reply that it did not ask for itself. */
  keep(origin: string, line: string): void;
  /** Drops the cookies of an origin. */
  forget(origin: string): void;
}

const maxRedirects = 20;

export function openRedirectBrowser(): RedirectBrowser {
  const jars = new Map<string, Map<string, string>>();
  const jarOf = (origin: string) => {
    const jar = jars.get(origin) ?? new Map<string, string>();
    jars.set(origin, jar);
    return jar;
  };
  const cookies = (origin: string) =>
    [...jarOf(origin)].map(([name, value]) => `${name}=${value}`).join("; ");
  const keep = (origin: string, line: string) => {
    const [pair = ""] = line.split(";", 1);
    const equals = pair.indexOf("=");
    const [name, value] = [pair.slice(0, equals), pair.slice(equals + 1)];
    if (value === "" || /max-age=0/i.test(line)) jarOf(origin).delete(name);
    else jarOf(origin).set(name, value);
  };
  const visit: RedirectBrowser["visit"] = async (address, init = {}) => {
    const url = new URL(address);
    const reply = await fetch(url, {
      method: init.method ?? (init.form === undefined ? "GET" : "POST"),
      redirect: "manual",
      headers: { accept: "text/html", cookie: cookies(url.origin) },
      ...(init.form === undefined ? {} : { body: new URLSearchParams(init.form) }),
    });
    for (const line of reply.headers.getSetCookie()) keep(url.origin, line);
    return reply;
  };
  return {
    visit,
    cookies,
    keep,
    forget: (origin) => void jars.delete(origin),
    async follow(start) {
      let url = new URL(start);
      for (let count = 0; count < maxRedirects; count++) {
        const reply = await visit(url.href);
        const location = reply.headers.get("location");
        if (location === null) return { url, reply };
        await reply.body?.cancel();
        url = new URL(location, url);
      }
      throw new Error("redirects without end");
    },
  };
}

/** Signs in at the provider's own pages (login, then consent) and stops before the registry's callback, whose address it gives. */
export async function signInAtProvider(
  browser: RedirectBrowser,
  start: string,
  login: string,
): Promise<string> {
  let url = new URL(start);
  for (let count = 0; count < maxRedirects; count++) {
    if (url.pathname.endsWith("/callback") && url.pathname.startsWith("/api/v1/")) return url.href;
    let reply = await browser.visit(url.href);
    if (reply.status === 200 && url.pathname.startsWith("/interaction/")) {
      const page = await reply.text();
      const prompt = page.includes('value="login"') ? "login" : "consent";
      reply = await browser.visit(url.href, { form: { prompt, login, password: "anything" } });
    }
    const location = reply.headers.get("location");
    if (location === null)
      throw new Error(`no way on from ${url.href}: ${reply.status} ${await reply.text()}`);
    await reply.body?.cancel();
    url = new URL(location, url);
  }
  throw new Error("redirects without end");
}
