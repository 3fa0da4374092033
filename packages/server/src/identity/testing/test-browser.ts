import { field, password, type TestIdentity, textField } from "./start-identity.ts";

/** A browser with the registry's page open: keeps the cookie, sends the token with what changes something. */
export interface TestBrowser {
  /** The Cookie header it sends; "" when it is signed out. */
  cookie: string;
  csrfToken: string;
  /** The body of the reply to the sign-in. */
  readonly signedIn: unknown;
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
}

/** Signs in; fails the test when that is refused. */
export async function openBrowser(
  instance: Pick<TestIdentity, "fetch">,
  username: string,
  secret: string = password,
): Promise<TestBrowser> {
  const reply = await postSignIn(instance, username, secret);
  const value: unknown = await reply.json();
  if (reply.status !== 200) throw new Error(`not signed in: ${reply.status} ${JSON.stringify(value)}`);
  const token = field(value, "csrfToken");
  return browserWith(instance, reply, value, typeof token === "string" ? token : "");
}

export function postSignIn(
  instance: Pick<TestIdentity, "fetch">,
  username: string,
  secret: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  return instance.fetch("/api/v1/sign-in", {
    method: "POST",
    headers: { "content-type": "application/json", "sec-fetch-site": "same-origin", ...headers },
    body: JSON.stringify({ username, password: secret }),
  });
}

function browserWith(
  instance: Pick<TestIdentity, "fetch">,
  reply: Response,
  signedIn: unknown,
  csrfToken: string,
): TestBrowser {
  return {
    cookie: cookieOf(reply),
    csrfToken,
    signedIn,
    async send(method, path, body, headers = {}) {
      const sent = await instance.fetch(path, {
        method,
        headers: {
          ...(this.cookie === "" ? {} : { cookie: this.cookie }),
          "sec-fetch-site": "same-origin",
          ...(method === "GET" ? {} : { "x-csrf-token": this.csrfToken }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      if (sent.headers.has("set-cookie")) this.cookie = cookieOf(sent);
      return sent;
    },
  };
}

/** What a browser would send after this reply. */
export function cookieOf(reply: Response): string {
  const [first = ""] = (reply.headers.get("set-cookie") ?? "").split(";", 1);
  return first.endsWith("=") ? "" : first;
}

/** The status of a reply whose body does not matter. */
export async function statusOf(reply: Promise<Response>): Promise<number> {
  const settled = await reply;
  await settled.body?.cancel();
  return settled.status;
}

/** Status and code of a problem. */
export async function problemOf(reply: Promise<Response>): Promise<readonly [number, string]> {
  const settled = await reply;
  return [settled.status, textField(await settled.json(), "title")];
}
