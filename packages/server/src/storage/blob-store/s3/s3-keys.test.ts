import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { systemClock } from "../../../lib/clock.ts";
import { openObjectMedium } from "../open-object-medium.ts";

const reply = { expiresSeconds: 60, contentType: "a/b", cacheControl: "private" };

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Answers everything as S3 does, and as the service that gives out temporary keys for tokens of others. */
async function startDouble(t: TestContext, lifetimeMs: number) {
  const seen: Seen[] = [];
  let given = 0;
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      seen.push({ method, url, headers, body });
      if (!body.includes("AssumeRoleWithWebIdentity")) {
        response.end();
        return;
      }
      given += 1;
      const keys = `<AccessKeyId>TEMP${given}</AccessKeyId><SecretAccessKey>s${given}</SecretAccessKey><SessionToken>session-${given}</SessionToken>`;
      const end = `<Expiration>${new Date(systemClock.nowMs() + lifetimeMs).toISOString()}</Expiration>`;
      const result = `<AssumeRoleWithWebIdentityResult><Credentials>${keys}${end}</Credentials></AssumeRoleWithWebIdentityResult>`;
      response.setHeader("content-type", "text/xml");
      response.end(
        `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${result}</AssumeRoleWithWebIdentityResponse>`,
      );
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  // as: a server that listens on a port has an address of this form
  const { port } = server.address() as AddressInfo;
  const folder = await mkdtemp(join(tmpdir(), "entrepot-s3-keys-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const signers = () =>
    seen
      .filter(({ method }) => method === "PUT")
      .map(({ headers }) => /Credential=([^/]+)\//.exec(headers.authorization ?? "")?.[1]);
  return { origin: `http://127.0.0.1:${port}`, seen, folder, signers };
}

test("keys in a file are those of the next request a second later, for addresses, too", async (t) => {
  const { origin, folder, signers } = await startDouble(t, 0);
  const keysFile = join(folder, "keys.json");
  await writeFile(keysFile, '{"accessKey":"FIRST","secretKey":"x"}');
  let nowMs = 0;
  const url = `s3://bucket?endpoint=${origin}&pathStyle=true`;
  const medium = await openObjectMedium(url, { keysFile }, { nowMs: () => nowMs });
  assert.ok(medium !== undefined);
  await medium.put("a", Buffer.from("a"));
  assert.match((await medium.signUrl("a", reply)) ?? "", /Credential=FIRST%2F/);
  await writeFile(keysFile, "[default]\naws_access_key_id=SECOND\naws_secret_access_key=y\n");
  await medium.put("b", Buffer.from("b"));
  nowMs += 1_001;
  await medium.put("c", Buffer.from("c"));
  assert.match((await medium.signUrl("a", reply)) ?? "", /Credential=SECOND%2F/);
  assert.deepEqual(signers(), ["FIRST", "FIRST", "SECOND"]);
  await medium.close();
});

test("without keys the token of a workload is exchanged for temporary ones, and read anew when they end", async (t) => {
  const { origin, seen, folder, signers } = await startDouble(t, 1_000);
  const tokenFile = join(folder, "token");
  await writeFile(tokenFile, "first.web.token");
  // oxlint-disable-next-line node/no-process-env -- where AWS's SDK looks
  const environment = process.env;
  const settings = {
    AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/registry",
    AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile,
    AWS_ENDPOINT_URL_STS: origin,
    AWS_REGION: "eu-central-1",
    AWS_EC2_METADATA_DISABLED: "true",
  };
  Object.assign(environment, settings);
  t.after(() => {
    for (const name of Object.keys(settings)) delete environment[name];
  });
  const medium = await openObjectMedium(
    `s3://bucket?endpoint=${origin}&pathStyle=true`,
    undefined,
    systemClock,
  );
  assert.ok(medium !== undefined);
  await medium.put("a", Buffer.from("a"));
  // They end at once: the next request has others, for the token as it is then.
  await writeFile(tokenFile, "second.web.token");
  await medium.put("b", Buffer.from("b"));
  const asked = seen.filter(({ body }) => body.includes("AssumeRoleWithWebIdentity"));
  const tokens = asked.map(({ body }) => new URLSearchParams(body).get("WebIdentityToken"));
  assert.deepEqual([tokens[0], tokens.at(-1)], ["first.web.token", "second.web.token"]);
  assert.equal(new URLSearchParams(asked[0]?.body).get("RoleArn"), settings.AWS_ROLE_ARN);
  const [first, second] = signers();
  assert.match(first ?? "", /^TEMP\d$/);
  assert.notEqual(first, second);
  const sessions = seen
    .filter(({ method }) => method === "PUT")
    .map(({ headers }) => headers["x-amz-security-token"]);
  assert.ok(sessions.every((session) => String(session).startsWith("session-")));
  await medium.close();
});

test("the bucket is part of the host unless the url says otherwise", async () => {
  const keys = { accessKey: "a", secretKey: "b", sessionToken: undefined };
  const addressOf = async (url: string) => {
    const medium = await openObjectMedium(url, keys, systemClock);
    const address = new URL((await medium?.signUrl("some/key", reply)) ?? "");
    await medium?.close();
    return address.origin + address.pathname;
  };
  assert.equal(
    await addressOf("s3://bucket?endpoint=https://s3.example.org"),
    "https://bucket.s3.example.org/some/key",
  );
  assert.equal(
    await addressOf("s3://bucket?region=eu-central-1"),
    "https://bucket.s3.eu-central-1.amazonaws.com/some/key",
  );
  assert.equal(
    await addressOf("s3://bucket?endpoint=https://s3.example.org&pathStyle=true"),
    "https://s3.example.org/bucket/some/key",
  );
});
