import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { systemClock } from "../../../lib/clock.ts";
import { freePorts } from "../../../lib/testing/free-ports.ts";
import { blobStoreContract, id } from "../blob-store.contract.ts";
import { openBlobStore } from "../open-blob-store.ts";
import { expectOneBlobOnly } from "../testing/altered-addresses.ts";
import { expectNothingLeft, pushInChunks } from "../testing/push-in-chunks.ts";
import { missingAzurite, startAzurite } from "../testing/start-azurite.ts";
import type { ObjectServer } from "../testing/start-object-server.ts";

const missing = missingAzurite();

describe("Azure blobs as Azurite has them", { skip: missing ?? false }, () => {
  let server: ObjectServer;
  before(async () => {
    server = await startAzurite(await freePorts(1));
  });
  after(() => server.stop());

  let stores = 0;
  const open = (more: Partial<ObjectServer["keys"]> = {}, place = `blobs/contract/${(stores += 1)}`) =>
    openBlobStore(`azure://${place}?endpoint=${server.origin}&partMiB=5`, systemClock, {
      ...server.keys,
      ...more,
    });
  const openAt = async (endpoint: string) =>
    (await openBlobStore(`azure://blobs?endpoint=${endpoint}`, systemClock, server.keys)).probe();
  blobStoreContract("Azure", async () => ({ store: await open(), dispose: async () => {} }));

  test("a large blob lies in blocks, is gone on with elsewhere, and leaves nothing", async () => {
    const store = await open({}, "blobs/large");
    await pushInChunks(await open({}, "blobs/large"), store, [11_000_000, 12_000_000]);
    await expectNothingLeft(store);
  });

  test("what a writer left unfinished is listed, and discarded with its blocks", async () => {
    const store = await open({}, "blobs/unfinished");
    const writer = await store.openUpload(id("u1"), 0);
    await writer.append([randomBytes(11_000_000)]);
    const listed = async () => {
      const found: string[] = [];
      for await (const { kind, name } of store.list()) found.push(`${kind} ${name}`);
      return found;
    };
    assert.deepEqual(await listed(), ["upload u1"]);
    await store.discardUpload(id("u1"));
    assert.deepEqual(await listed(), []);
    await writer.close();
  });

  test("an address is signed for reading this blob only", async () => {
    await expectOneBlobOnly(await open({}, "blobs/signed"), {
      alterations: [
        [/sig=..../, "sig=0000"],
        [/se=20../, "se=2099"],
        ["/signed/", "/other/"],
      ],
      refusal: 403,
      others: [{ method: "PUT", headers: { "x-ms-blob-type": "BlockBlob" }, body: "x" }],
    });
  });

  test("a wrong key and a missing container are told in a sentence", async () => {
    const wrong = await open({ secretKey: Buffer.from("wrong").toString("base64") });
    await assert.rejects(wrong.probe(), {
      code: "UNAVAILABLE",
      message: /refuses the account's key.*: correct storage\.secretKey|refuses this account.*firewall/,
    });
    const nowhere = await open({}, "no-such-container");
    await assert.rejects(nowhere.probe(), { code: "UNAVAILABLE", message: /container does not exist/ });
    await assert.rejects(openAt("http://no-such-account.invalid"), {
      code: "UNAVAILABLE",
      message: /\(E\w+\): (no such host.*storage\.accessKey is the account's name|the name server)/,
    });
    const other = createServer((request, response) => {
      request
        .resume()
        .on("end", () => response.writeHead(404, { "content-type": "text/html" }).end("<html>"));
    }).listen(0, "127.0.0.1");
    await once(other, "listening");
    // as: a server that listens on a port has an address of this form
    await assert.rejects(openAt(`http://127.0.0.1:${(other.address() as AddressInfo).port}/account`), {
      message: /is no Azure service \(404\): check endpoint/,
    });
    other.close();
    other.closeAllConnections();
    await assert.rejects(openAt(`http://127.0.0.1:${await freePorts(1)}/account`), {
      message: /\(ECONNREFUSED\): nothing listens there: check host and port/,
    });
    await assert.rejects(open({ secretKey: "not base64!" }), { code: "REQUEST_INVALID" });
  });
});
