import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { createGoogleIdentity } from "./google-identity.ts";

const deadlineMs = 1_000;

/** A service that gives tokens, and while it hangs takes connections and answers nothing. */
async function startTokens(t: TestContext) {
  let isHanging = true;
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    if (isHanging) return;
    const token = { access_token: "t", expires_in: 3_600, token_type: "Bearer" };
    const isExchange = request.method === "POST";
    const text = JSON.stringify(
      isExchange ? { ...token, issued_token_type: "urn:ietf:params:oauth:token-type:access_token" } : token,
    );
    response.writeHead(200, { "metadata-flavor": "Google", "content-type": "application/json" }).end(text);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  // as: a server that listens on a port has an address of this form
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    requests: () => requests,
    answer: () => {
      isHanging = false;
    },
  };
}

function identityOf(readKeys: (() => Promise<string>) | undefined) {
  let nowMs = 1_000_000;
  const clock = { nowMs: () => nowMs };
  const identity = createGoogleIdentity({ readKeys, signEndpoint: undefined, clock, deadlineMs });
  const pass = (ms: number) => {
    nowMs += ms;
  };
  return { identity, pass };
}

const late = { code: "UNAVAILABLE", message: /does not answer within 1000 ms: look at the metadata server/ };

async function takes(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

/** Late once, then at once, and well again as soon as the service is: nobody waits for an answer that was given up. */
async function showsDeadline(
  tokens: Awaited<ReturnType<typeof startTokens>>,
  { identity, pass }: ReturnType<typeof identityOf>,
): Promise<void> {
  const firstMs = await takes(() => assert.rejects(identity.authorization(), late));
  assert.ok(firstMs < deadlineMs + 8_000, `it took ${firstMs} ms`);
  const asked = tokens.requests();
  await assert.rejects(identity.authorization(), late);
  assert.equal(tokens.requests(), asked, "whoever tries again is told at once");
  tokens.answer();
  pass(6_000);
  assert.equal(await identity.authorization(), "Bearer t");
}

test("a metadata server that hangs is told of within the deadline, however often the library tries", async (t) => {
  const tokens = await startTokens(t);
  // oxlint-disable-next-line node/no-process-env -- where Google's library looks for the metadata server
  const environment = process.env;
  environment["GCE_METADATA_HOST"] = tokens.host;
  environment["METADATA_SERVER_DETECTION"] = "assume-present";
  t.after(() => {
    delete environment["GCE_METADATA_HOST"];
    delete environment["METADATA_SERVER_DETECTION"];
  });
  await showsDeadline(tokens, identityOf(undefined));
});

test("so is a service that changes a workload's token for one of Google's", async (t) => {
  const tokens = await startTokens(t);
  const keys = JSON.stringify({
    type: "external_account",
    audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    token_url: `http://${tokens.host}/v1/token`,
    credential_source: { file: import.meta.filename },
  });
  await showsDeadline(
    tokens,
    identityOf(async () => keys),
  );
});
