import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { systemClock } from "../../../lib/clock.ts";
import { digestOf, id, put, write } from "../blob-store.contract.ts";
import { openBlobStore } from "../open-blob-store.ts";
import { type FaultProxy, startFaultProxy } from "./fault-proxy.ts";
import { faultsOnceTests } from "./faults-once.ts";
import { expectBytes } from "./push-in-chunks.ts";
import type { ObjectServer } from "./start-object-server.ts";

/** What a service and a network in trouble do, in front of the real one. */
export function s3FaultTests(server: () => ObjectServer, bucket: () => string): void {
  describe("a service in trouble", () => {
    let proxy: FaultProxy;
    before(async () => {
      proxy = await startFaultProxy(server().origin);
    });
    after(() => proxy.close());
    const open = (keys = server().keys, place = `${bucket()}/faults`) =>
      openBlobStore(`s3://${place}?endpoint=${proxy.origin}&pathStyle=true&partMiB=5`, systemClock, keys);

    faultsOnceTests(
      () => proxy,
      () => open(),
      [
        { status: 503, code: "SlowDown" },
        { status: 500, code: "InternalError" },
      ],
    );

    test("an answer that breaks off is asked for again from the exact byte on", async (t) => {
      t.after(() => proxy.spoil(undefined));
      const store = await open();
      const bytes = randomBytes(3_000_000);
      const location = await put(store, "u1", bytes);
      const from = proxy.requests.length;
      let cut = 0;
      proxy.spoil(({ method, headers }) =>
        method === "GET" && headers.range !== undefined && (cut += 1) <= 3
          ? { kind: "truncated", afterBytes: 100_000 }
          : undefined,
      );
      await expectBytes(store, location, bytes);
      const starts = proxy.requests
        .slice(from)
        .map(({ headers }) => /^bytes=(\d+)-/.exec(headers.range ?? "")?.[1]);
      assert.deepEqual(starts.filter(Boolean).slice(0, 4), ["0", "100000", "200000", "300000"]);
      await store.deleteBlob(location);
      await store.close();
    });

    test("a service that stays down is told as such, soon, and nothing is lost when it is back", async (t) => {
      t.after(() => proxy.spoil(undefined));
      const store = await open();
      const location = await put(store, "u1", Buffer.from("kept"));
      proxy.spoil(() => ({ kind: "status", status: 503, code: "SlowDown" }));
      const started = performance.now();
      for (const work of [
        () => write(store, "u2", 0, Buffer.from("x")),
        () => store.commitUpload(id("u1"), digestOf("kept"), 4),
        () => store.probe(),
      ]) {
        await assert.rejects(work(), { code: "UNAVAILABLE", message: /SlowDown/ });
      }
      assert.ok(performance.now() - started < 90_000);
      proxy.spoil(undefined);
      await expectBytes(store, location, Buffer.from("kept"));
      await store.deleteBlob(location);
      await store.close();
    });

    test("what a client does not read is not fetched", async () => {
      const store = await open();
      const bytes = randomBytes(30_000_000);
      const location = await put(store, "u1", bytes);
      const before = proxy.sentBytes();
      const reader = await store.openBlob(location);
      await reader.read(Buffer.alloc(65_536), 0);
      await reader.close();
      assert.ok(proxy.sentBytes() - before < 2_000_000, `${proxy.sentBytes() - before} bytes were fetched`);
      await store.deleteBlob(location);
      await store.close();
    });

    test("wrong keys and a missing bucket are told in a sentence, without the secret or the bucket", async () => {
      const wrong: readonly (readonly [string, () => Promise<void>, RegExp])[] = [
        [
          "secret",
          async () => (await open({ ...server().keys, secretKey: "not-the-secret" })).probe(),
          /secret key does not belong to the access key/,
        ],
        [
          "key",
          async () => (await open({ ...server().keys, accessKey: "nobody" })).probe(),
          /does not know the access key|secret key/,
        ],
        [
          "bucket",
          async () => (await open(server().keys, "no-such-bucket-here")).probe(),
          /bucket does not exist/,
        ],
      ];
      for (const [name, work, sentence] of wrong) {
        await assert.rejects(work(), (error: Error) => {
          assert.match(error.message, sentence, name);
          assert.doesNotMatch(error.message, /not-the-secret|no-such-bucket-here/);
          return true;
        });
      }
    });

    test("a service that is not there is told as such", async () => {
      const store = await openBlobStore(
        `s3://${bucket()}?endpoint=http://127.0.0.1:9&pathStyle=true`,
        systemClock,
        server().keys,
      );
      await assert.rejects(store.probe(), {
        code: "UNAVAILABLE",
        message: /cannot be reached \(ECONNREFUSED\)/,
      });
    });
  });
}
