import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { freePorts } from "../../../lib/testing/free-ports.ts";
import { examineRedirect } from "./examine-redirect.ts";
import type { ObjectMedium } from "./object-medium.ts";

/** The little of a medium that is used: it keeps one object, and tells of what is left. */
function mediumWith(signUrl: (key: string) => string | undefined) {
  const objects = new Map<string, Uint8Array>();
  const medium = {
    put: async (key: string, bytes: Uint8Array) => void objects.set(key, bytes),
    delete: async (keys: readonly string[]) => {
      for (const key of keys) objects.delete(key);
    },
    signUrl: async (key: string) => signUrl(key),
  };
  // as: nothing else of it is asked for
  return { objects, medium: medium as unknown as ObjectMedium };
}

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  // as: a server that listens on a port has an address of this form
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("goes where a client is sent, says whether it gets the bytes there, and leaves nothing", async (t) => {
  let answer: "bytes" | "others" | "refusal" = "bytes";
  const origin = await serve(t, (request, response) => {
    const bytes = objects.get((request.url ?? "").slice(1));
    if (answer === "refusal") response.writeHead(403).end("<Error/>");
    else response.end(answer === "others" ? "other bytes" : bytes);
  });
  const { objects, medium } = mediumWith((key) => `${origin}/${key}`);
  assert.match(await examineRedirect(medium), /get what was stored/);
  answer = "refusal";
  await assert.rejects(examineRedirect(medium), {
    code: "UNAVAILABLE",
    message: /answered 403: check the keys that sign, publicEndpoint or cloudFront/,
  });
  answer = "others";
  await assert.rejects(examineRedirect(medium), /leads to other bytes/);
  assert.equal(objects.size, 0);
});

test("a store that signs nothing cannot be where clients are sent; one that this machine does not reach can", async () => {
  const none = mediumWith(() => undefined);
  await assert.rejects(examineRedirect(none.medium), /signs no addresses: for Swift set storage\.tempUrlKey/);
  assert.equal(none.objects.size, 0);
  const port = await freePorts(1);
  const away = mediumWith(() => `http://127.0.0.1:${port}/x?secret=signature`);
  const told = await examineRedirect(away.medium);
  assert.match(told, /this machine does not get .*ECONNREFUSED/);
  assert.doesNotMatch(told, /signature/);
  assert.equal(away.objects.size, 0);
});
