import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { systemClock } from "../../../lib/clock.ts";
import { freePorts } from "../../../lib/testing/free-ports.ts";
import { blobStoreContract, id, put, readAll, write } from "../blob-store.contract.ts";
import type { BlobStore } from "../blob-store.ts";
import { examineMedium } from "../objects/examine-medium.ts";
import { openBlobStore } from "../open-blob-store.ts";
import { openObjectMedium } from "../open-object-medium.ts";
import { expectOneBlobOnly } from "../testing/altered-addresses.ts";
import { type FaultProxy, startFaultProxy } from "../testing/fault-proxy.ts";
import { faultsOnceTests } from "../testing/faults-once.ts";
import { createTestAccount, type GcsDouble, startGcsDouble } from "../testing/gcs-double.ts";
import { expectBytes, expectNothingLeft, pushInChunks } from "../testing/push-in-chunks.ts";
import { missingFakeGcs, startFakeGcs } from "../testing/start-fake-gcs.ts";

async function withKeysFile<T>(text: string, work: (keysFile: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-gcs-"));
  try {
    const keysFile = join(folder, "key.json");
    await writeFile(keysFile, text);
    return await work(keysFile);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe("Google Cloud Storage as a strict double has it", () => {
  let server: GcsDouble;
  let proxy: FaultProxy;
  let folder: string;
  let keysFile: string;
  before(async () => {
    server = await startGcsDouble();
    proxy = await startFaultProxy(server.origin);
    folder = await mkdtemp(join(tmpdir(), "entrepot-gcs-"));
    keysFile = join(folder, "key.json");
    await writeFile(keysFile, server.account.keyFile);
  });
  after(async () => {
    await proxy.close();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  let stores = 0;
  const url = (place: string, origin = server.origin, more = "") =>
    `gs://${place}?endpoint=${origin}&partMiB=5${more}`;
  const open = (place = `blobs/contract/${(stores += 1)}`, file = keysFile) =>
    openBlobStore(url(place), systemClock, { keysFile: file });
  const below = (prefix: string) => server.names().filter((name) => name.startsWith(prefix));
  blobStoreContract("Google Cloud Storage", async () => ({ store: await open(), dispose: async () => {} }));

  const sizes = [5 * 1_048_576, 10 * 1_048_576, 11_000_000];
  for (const sizeBytes of sizes) {
    test(`a blob of ${sizeBytes} bytes in parts is gone on with elsewhere, and leaves nothing`, async () => {
      const store = await open("blobs/large");
      await pushInChunks(await open("blobs/large"), store, [sizeBytes, sizeBytes + 100_000]);
      assert.deepEqual(below("large/"), []);
      await store.close();
    });
  }

  test("the doctor finds that all works, and leaves nothing; and says what does not", async () => {
    const medium = await openObjectMedium(url("blobs/doctor"), { keysFile }, systemClock);
    assert.ok(medium !== undefined);
    const examined = await examineMedium(medium);
    assert.deepEqual(
      examined.map(({ problem }) => problem),
      Array.from({ length: 6 }, () => undefined),
    );
    assert.deepEqual(below("doctor/"), []);
    await medium.close();
    const nowhere = await openObjectMedium(url("no-such-bucket"), { keysFile }, systemClock);
    const [first, second] = nowhere === undefined ? [] : await examineMedium(nowhere);
    assert.match(String(first?.problem), /bucket does not exist/);
    assert.equal(second, undefined);
    await nowhere?.close();
  });

  test("nobody sees what a writer left unfinished", async () => {
    const store = await open("blobs/unfinished");
    const writer = await store.openUpload(id("u1"), 0);
    await writer.append([randomBytes(11_000_000)]);
    assert.deepEqual(below("unfinished/"), []);
    await writer.close();
    await expectNothingLeft(store);
    await store.close();
  });

  test("a part that is kept only in half is gone on with where the service says", async () => {
    const store = await open("blobs/interrupted");
    const bytes = randomBytes(11_000_000);
    server.keepOnly(1_000_000);
    const location = await put(store, "u1", bytes);
    await expectBytes(store, location, bytes);
    await store.deleteBlob(location);
    await store.close();
  });

  test("bytes that change on their way are refused, and nothing of them is kept", async () => {
    const store = await open("blobs/spoilt");
    for (const sizeBytes of [1_000, 6_000_000]) {
      server.spoilNext();
      await assert.rejects(write(store, "u1", 0, randomBytes(sizeBytes)), {
        code: "UNAVAILABLE",
        message: /stored other bytes/,
      });
    }
    // The large one is taken away at once; the small one belongs to an upload, which is.
    await store.discardUpload(id("u1"));
    assert.deepEqual(below("spoilt/"), []);
    await store.close();
  });

  faultsOnceTests(
    () => proxy,
    () => openBlobStore(url("blobs/faults", proxy.origin), systemClock, { keysFile }),
    [
      { status: 503, code: "backendError" },
      { status: 429, code: "rateLimitExceeded" },
    ],
  );

  test("a service that stays down is told as such, and so is an answer that breaks off too often", async (t) => {
    t.after(() => proxy.spoil(undefined));
    const store = await openBlobStore(url("blobs/down", proxy.origin), systemClock, { keysFile });
    const location = await put(store, "u1", randomBytes(300_000));
    proxy.spoil(() => ({ kind: "status", status: 503, code: "backendError" }));
    await assert.rejects(store.probe(), { code: "UNAVAILABLE", message: /answers 503/ });
    await assert.rejects(write(store, "u2", 0, randomBytes(6_000_000)), { code: "UNAVAILABLE" });
    let cut = 0;
    proxy.spoil(({ headers }) =>
      headers.range !== undefined && (cut += 1) <= 2 ? { kind: "truncated", afterBytes: 70_000 } : undefined,
    );
    const reader = await store.openBlob(location);
    assert.equal((await readAll(reader)).byteLength, 300_000);
    await reader.close();
    proxy.spoil(undefined);
    await store.deleteBlob(location);
    await store.close();
  });

  const signedAddress = (store: BlobStore, place: string) =>
    expectOneBlobOnly(store, {
      alterations: [
        [/Signature=.{12}/, `Signature=${"0".repeat(12)}`],
        ["Expires=60", "Expires=6000"],
        [`/${place}/`, "/other/"],
        ["octet-stream", "json"],
      ],
      refusal: 403,
      others: [{ method: "DELETE" }],
    });

  test("an address is signed with the account's key, for reading this blob only", async () => {
    const store = await open("blobs/signed");
    await signedAddress(store, "signed");
    await store.close();
  });

  test("without a key file the machine's identity is used, and Google signs for it", async (t) => {
    // oxlint-disable-next-line node/no-process-env -- where Google's library looks for the metadata server
    const environment = process.env;
    environment["GCE_METADATA_HOST"] = server.origin.slice("http://".length);
    environment["METADATA_SERVER_DETECTION"] = "assume-present";
    t.after(() => {
      delete environment["GCE_METADATA_HOST"];
      delete environment["METADATA_SERVER_DETECTION"];
    });
    const store = await openBlobStore(
      url("blobs/machine", server.origin, `&signEndpoint=${server.origin}/sign`),
      systemClock,
    );
    await signedAddress(store, "machine");
    assert.equal(server.tokens.size, 1, "one token for all requests");
    await store.close();
  });

  test("another key in the file is used without a restart, and the file may be broken or away for a moment", async (t) => {
    const next = createTestAccount("next");
    const file = join(folder, "rotated.json");
    await writeFile(file, server.account.keyFile);
    let nowMs = systemClock.nowMs();
    const store = await openBlobStore(url("blobs/rotated"), { nowMs: () => nowMs }, { keysFile: file });
    t.after(() => server.know(server.account));
    await store.probe();
    await writeFile(file, next.keyFile);
    server.know(next);
    nowMs += 2_000;
    await store.probe();
    await writeFile(file, '{"type":"service_account"');
    nowMs += 2_000;
    await store.probe();
    await rm(file);
    nowMs += 2_000;
    await store.probe();
    await store.close();
  });

  test("a wrong key, a file that is none, and a missing bucket are told in a sentence", async () => {
    const stranger = createTestAccount("stranger");
    await withKeysFile(stranger.keyFile, async (file) => {
      const store = await open("blobs/wrong", file);
      await assert.rejects(store.probe(), {
        code: "UNAVAILABLE",
        message: /does not take this identity.*: make a new key/,
      });
    });
    const damaged = server.account.keyFile.replace(/PRIVATE KEY-----\\n..../, "PRIVATE KEY-----\\n____");
    assert.notEqual(damaged, server.account.keyFile);
    await withKeysFile(damaged, async (file) => {
      const store = await open("blobs/wrong", file);
      await assert.rejects(store.probe(), {
        code: "UNAVAILABLE",
        message: /the private key in storage\.keysFile is damaged; download/,
      });
    });
    const addresses: readonly (readonly [string, RegExp])[] = [
      [`http://127.0.0.1:${await freePorts(1)}`, /\(ECONNREFUSED\): nothing listens there/],
      ["http://no-such-host.invalid", /\(E\w+\): (no such host|the name server)/],
      [server.origin.replace("http:", "https:"), /https is asked where http is spoken/],
      [`${server.origin}/elsewhere`, /is no Google Cloud Storage \(404\): check endpoint|answers 404/],
    ];
    for (const [origin, message] of addresses) {
      const lost = await openBlobStore(url("blobs/x", origin), systemClock, { keysFile });
      await assert.rejects(lost.probe(), { code: "UNAVAILABLE", message }, origin);
      await lost.close();
    }
    await withKeysFile("secret of somebody", async (file) => {
      const store = await open("blobs/wrong", file);
      await assert.rejects(store.probe(), (error: Error) => {
        assert.match(error.message, /no key file/);
        assert.doesNotMatch(error.message, /somebody/);
        return true;
      });
    });
    const nowhere = await open("no-such-bucket");
    await assert.rejects(nowhere.probe(), { code: "UNAVAILABLE", message: /bucket does not exist/ });
    await assert.rejects(
      open("blobs/x", join(folder, "none.json")).then((store) => store.probe()),
      {
        code: "UNAVAILABLE",
        message: /cannot be read \(ENOENT\)/,
      },
    );
    await assert.rejects(
      openBlobStore(url("blobs/x"), systemClock, { accessKey: "a", secretKey: "b", sessionToken: undefined }),
      { code: "REQUEST_INVALID", message: /storage.keysFile/ },
    );
  });
});

describe("Google Cloud Storage as fake-gcs-server has it", { skip: missingFakeGcs() ?? false }, () => {
  let server: { readonly origin: string; stop(): Promise<void> };
  let folder: string;
  let keysFile: string;
  before(async () => {
    server = await startFakeGcs(await freePorts(1));
    folder = await mkdtemp(join(tmpdir(), "entrepot-gcs-"));
    keysFile = join(folder, "key.json");
    await writeFile(keysFile, createTestAccount("registry").keyFile);
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  let stores = 0;
  const open = (place = `blobs/contract/${(stores += 1)}`) =>
    openBlobStore(`gs://${place}?endpoint=${server.origin}&partMiB=5`, systemClock, { keysFile });
  blobStoreContract("fake-gcs-server", async () => ({ store: await open(), dispose: async () => {} }));

  test("a large blob lies in parts, is gone on with elsewhere, and leaves nothing", async () => {
    const store = await open("blobs/large");
    await pushInChunks(await open("blobs/large"), store, [11_000_000, 12_000_000]);
    await expectNothingLeft(store);
    await store.close();
  });
});
