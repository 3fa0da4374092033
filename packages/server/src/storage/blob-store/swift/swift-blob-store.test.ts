import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { systemClock } from "../../../lib/clock.ts";
import { freePorts } from "../../../lib/testing/free-ports.ts";
import { blobStoreContract, id, put } from "../blob-store.contract.ts";
import { openBlobStore } from "../open-blob-store.ts";
import { expectOneBlobOnly } from "../testing/altered-addresses.ts";
import { startKeystone } from "../testing/keystone.ts";
import { pushInChunks } from "../testing/push-in-chunks.ts";
import { missingObjectServer, type ObjectServer, startObjectServer } from "../testing/start-object-server.ts";

const missing = missingObjectServer("swift");
const reply = { expiresSeconds: 60, contentType: "application/octet-stream", cacheControl: "private" };

describe("Swift by its own interface", { skip: missing ?? false }, () => {
  let server: ObjectServer;
  before(async () => {
    server = await startObjectServer("swift");
    await makeContainer(server, { "x-container-meta-temp-url-key": "secret-of-addresses" });
  });
  after(() => server.stop());

  let stores = 0;
  const open = async (more: Partial<ObjectServer["keys"]> = {}, prefix = `contract/${(stores += 1)}`) =>
    openBlobStore(`swift://ready/${prefix}?auth=${server.origin}/auth/v1.0&partMiB=5`, systemClock, {
      ...server.keys,
      ...more,
    });
  blobStoreContract("Swift", async () => ({ store: await open(), dispose: async () => {} }));

  test("a large blob lies in parts that one object names, is gone on with elsewhere, and leaves nothing", async () => {
    await pushInChunks(await open({}, "large"), await open({}, "large"), [11_000_000, 12_000_000]);
    assert.equal(await countObjects(server, "large"), 0);
  });

  test("what a writer left unfinished is listed, and discarded with its parts", async () => {
    const store = await open({}, "unfinished");
    const writer = await store.openUpload(id("u1"), 0);
    await writer.append([randomBytes(11_000_000)]);
    const listed: string[] = [];
    for await (const { kind, name } of store.list()) listed.push(`${kind} ${name}`);
    assert.deepEqual(listed, ["upload u1"]);
    await store.discardUpload(id("u1"));
    await writer.close();
    assert.equal(await countObjects(server, "unfinished"), 0);
  });

  test("an address is signed where the container has a key, for this object only", async () => {
    const store = await open({ tempUrlKey: "secret-of-addresses" }, "signed");
    await expectOneBlobOnly(store, {
      alterations: [
        [/temp_url_sig=.{12}/, `temp_url_sig=${"0".repeat(12)}`],
        [/temp_url_expires=\d+/, "temp_url_expires=1999999999"],
        ["/signed/", "/other/"],
      ],
      refusal: 401,
      others: [{ method: "PUT", body: "x" }],
    });
    const location = await put(store, "u2", randomBytes(10));
    const keyless = await open({}, "signed");
    assert.equal(await keyless.signUrl(location, reply), undefined);
    await store.deleteBlob(location);
  });

  test("a wrong key and a missing container are told in a sentence", async () => {
    const wrong = await open({ secretKey: "not-the-key" });
    await assert.rejects(wrong.probe(), {
      code: "UNAVAILABLE",
      message: /refuses the user or the key: correct storage\.accessKey and storage\.secretKey/,
    });
    const nowhere = await openBlobStore(
      `swift://no-such-container?auth=${server.origin}/auth/v1.0`,
      systemClock,
      server.keys,
    );
    await assert.rejects(nowhere.probe(), { code: "UNAVAILABLE", message: /container does not exist/ });
    const addresses: readonly (readonly [string, RegExp])[] = [
      [`${server.origin}/other/v1.0`, /sign-in answers 4\d\d: check auth in storage\.url|refuses the user/],
      [`http://127.0.0.1:${await freePorts(1)}/auth/v1.0`, /\(ECONNREFUSED\): nothing listens there/],
      ["http://no-such-host.invalid/auth/v1.0", /\(E\w+\): (no such host|the name server)/],
      [
        `${server.origin.replace("http:", "https:")}/auth/v1.0`,
        /https is asked where http is spoken|the connection is cut/,
      ],
    ];
    for (const [auth, message] of addresses) {
      const lost = await openBlobStore(`swift://ready?auth=${auth}`, systemClock, server.keys);
      await assert.rejects(lost.probe(), { code: "UNAVAILABLE", message }, auth);
    }
  });

  test("Keystone is asked for a token of the project, and again when it has ended", async (t) => {
    const keystone = await startKeystone(server);
    t.after(() => keystone.close());
    const url = `swift://ready/v3?auth=${keystone.origin}/v3&project=shipping&region=here`;
    const store = await openBlobStore(url, systemClock, server.keys);
    const location = await put(store, "u1", Buffer.from("abc"));
    assert.equal(keystone.signIns.length, 1);
    assert.deepEqual(keystone.signIns[0], {
      user: "test:tester",
      userDomain: "Default",
      project: "shipping",
      projectDomain: "Default",
    });
    keystone.endTokens();
    await store.deleteBlob(location);
    assert.equal(keystone.signIns.length, 2);
    const wrong = await openBlobStore(url, systemClock, { ...server.keys, secretKey: "wrong" });
    await assert.rejects(wrong.probe(), { message: /refuses the user or the key/ });
  });
});

async function signIn(server: ObjectServer): Promise<{ readonly url: string; readonly token: string }> {
  const answer = await fetch(`${server.origin}/auth/v1.0`, {
    headers: { "x-auth-user": server.keys.accessKey, "x-auth-key": server.keys.secretKey },
  });
  await answer.arrayBuffer();
  return {
    url: answer.headers.get("x-storage-url") ?? "",
    token: answer.headers.get("x-auth-token") ?? "",
  };
}

async function makeContainer(server: ObjectServer, headers: Record<string, string>): Promise<void> {
  const { url, token } = await signIn(server);
  const made = await fetch(`${url}/ready`, { method: "PUT", headers: { "x-auth-token": token, ...headers } });
  assert.ok(made.ok, `${made.status}`);
  await made.arrayBuffer();
}

/** What really lies there, parts included. */
async function countObjects(server: ObjectServer, prefix: string): Promise<number> {
  const { url, token } = await signIn(server);
  const listed = await fetch(`${url}/ready?prefix=${prefix}/`, { headers: { "x-auth-token": token } });
  return (await listed.text()).split("\n").filter((line) => line !== "").length;
}
