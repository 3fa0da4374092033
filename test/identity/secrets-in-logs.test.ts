import assert from "node:assert/strict";
import { test } from "node:test";
import { administrator } from "../support/server-process.ts";
import { type Answer, ask, basic, bearerFor, manage, startTwoInstances, textAt } from "./two-instances.ts";

const password = "a password that nobody else has: Zwq7";

/** Credentials that are wrong in every way, and what docker and people are told. */
const wrongOnes: readonly {
  readonly what: string;
  readonly authorization: string;
  readonly secret: string;
}[] = [
  { what: "a wrong password", ...show(basic("ada", "wrong-Hq2vT9"), "wrong-Hq2vT9") },
  { what: "a password of nobody", ...show(basic("nobody", "wrong-Xk8bR1"), "wrong-Xk8bR1") },
  { what: "no user name", ...show(basic("", "wrong-Pm3cL5"), "wrong-Pm3cL5") },
  { what: "an access token of nobody", ...secretOf(`entp_${"Nf4wS".repeat(8)}abc`) },
  { what: "a malformed access token", ...secretOf("entp_short-Jt6yU") },
  { what: "an oversized password", ...show(basic("ada", "Bd5nE".repeat(1_000)), "Bd5nEBd5nEBd5nE") },
  {
    what: "a bearer token that is none",
    ...secretOf("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEiLCJ4IjoiR3M4cVcifQ."),
  },
  { what: "a scheme that is none", ...show("Digest Vc1kZ7", "Vc1kZ7") },
  { what: "no base64", ...show("Basic %%%Ly9mO3", "Ly9mO3") },
];

test("no secret and no stack gets into a log or an answer, whatever is shown", async (t) => {
  const { here, there } = await startTwoInstances(t);
  const secrets = new Set<string>([
    administrator.password,
    password,
    ...wrongOnes.map(({ secret }) => secret),
  ]);
  await manage(here.origin, "POST", "/api/v1/users", { username: "ada", password });
  const ada = basic("ada", password);
  for (const { what, authorization, secret } of wrongOnes) {
    for (const path of ["/v2/", "/v2/acme/app/manifests/1", "/token?service=entrepot", "/api/v1/me"]) {
      const answer = await ask(there.origin, "GET", path, authorization);
      assert.ok(
        [401, 403, 429].includes(answer.status),
        `${what} at ${path}: ${answer.status} ${answer.text}`,
      );
      assertTellsNothing(answer, secret, `${what} at ${path}`);
    }
    const form = { grant_type: "refresh_token", refresh_token: secret, service: "entrepot" };
    const answer = await ask(there.origin, "POST", "/token", undefined, form);
    assert.ok(answer.status >= 400 && answer.status < 500, `${what} as a refresh token: ${answer.status}`);
    assertTellsNothing(answer, secret, `${what} as a refresh token`);
  }
  const made = await manage(here.origin, "POST", "/api/v1/me/access-tokens", { name: "ci" }, ada);
  const secret = textAt(made, "secret");
  secrets.add(secret);
  secrets.add((await bearerFor(here.origin, "acme/app", basic("ada", secret))).slice("Bearer ".length));
  const rotated = await manage(
    here.origin,
    "POST",
    `/api/v1/me/access-tokens/${textAt(made, "token", "id")}/rotate`,
    {},
    ada,
  );
  secrets.add(textAt(rotated, "secret"));
  const signedIn = await ask(here.origin, "POST", "/api/v1/sign-in", undefined, {
    username: "ada",
    password,
  });
  const cookie = (signedIn.headers.getSetCookie()[0] ?? "").split(";", 1)[0] ?? "";
  secrets.add(cookie.split("=").slice(1).join("="));
  secrets.add(textAt(JSON.parse(signedIn.text), "csrfToken"));
  // A body that is malformed in a way that makes parsers quote it.
  const broken = await fetch(new URL("/api/v1/sign-in", here.origin), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: `{"username":"ada","password":"${password}"`,
  });
  assert.ok(!(await broken.text()).includes(password));
  await ask(here.origin, "GET", `/api/v1/users?n=1&password=${encodeURIComponent(password)}`, ada);
  await here.stop("SIGTERM");
  await there.stop("SIGTERM");
  const printed = here.output() + there.output();
  assert.ok(printed.includes('"endpoint":"token.get"'), "requests are logged at all");
  assert.ok(secrets.size > 12);
  for (const one of secrets) {
    assert.ok(one.length > 5, "there is something to look for");
    for (const form of [one, encodeURIComponent(one), Buffer.from(one).toString("base64").slice(0, -4)]) {
      assert.ok(!printed.includes(form), `a log holds ${one.slice(0, 12)}…`);
    }
  }
});

function assertTellsNothing(answer: Answer, secret: string, what: string): void {
  assert.ok(!answer.text.includes(secret), `${what} is not repeated`);
  assert.doesNotMatch(answer.text, /\bat .+\.(ts|js):|node_modules|Error:/, `${what} gets no stack`);
}

function show(authorization: string, secret: string) {
  return { authorization, secret };
}

function secretOf(secret: string) {
  return show(`Bearer ${secret}`, secret);
}
