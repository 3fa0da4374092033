import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { digestOf, push, repositoryName, storedObjects } from "../testing/content.ts";
import { openTestRegistry } from "../testing/open-test-registry.ts";
import { serveRegistry } from "../testing/serve-registry.ts";

const uploads = "/v2/acme/app/blobs/uploads/";

eachDatabase((open) => {
  test("pushes in chunks: the Location and Range of each answer lead to the next request", async (t) => {
    const { send, begin } = await serve(t);
    const location = await begin();
    const first = await send("PATCH", location, "abc", { "content-range": "0-2" });
    assert.equal(first.status, 202);
    assert.equal(first.headers.get("range"), "0-2");
    assert.equal(first.headers.get("location"), location);
    assert.equal(first.headers.get("docker-upload-uuid"), location.slice(uploads.length));
    const outOfOrder = await send("PATCH", location, "def", { "content-range": "7-9" });
    assert.equal(outOfOrder.status, 416);
    const unreadable = await send("PATCH", location, "def", { "content-range": "nonsense" });
    assert.ok([400, 416].includes(unreadable.status));
    const status = await send("GET", location);
    assert.deepEqual([status.status, status.headers.get("range")], [204, "0-2"]);
    const closed = await send("PUT", `${location}?digest=${digestOf("abcdef")}`, "def");
    assert.equal(closed.status, 201);
    assert.equal(closed.headers.get("location"), `/v2/acme/app/blobs/${digestOf("abcdef")}`);
    assert.equal(closed.headers.get("docker-content-digest"), digestOf("abcdef"));
    assert.equal((await send("GET", location)).status, 404);
  });

  test("a streamed body of unknown length is taken, and a close without a body", async (t) => {
    const { send, begin } = await serve(t);
    const location = await begin();
    const streamed = new Blob(["abc"]).stream();
    assert.equal((await send("PUT", `${location}?digest=${digestOf("abc")}`, streamed)).status, 201);
    const second = await begin("?digest-algorithm=sha512");
    assert.equal((await send("PATCH", second, "abc")).status, 202);
    const digest = digestOf("abc", "sha512");
    assert.equal((await send("PUT", `${second}?digest=${digest}`)).status, 201);
  });

  test("a close needs the digest, and the address of an upload its form", async (t) => {
    const { send, begin } = await serve(t);
    const location = await begin();
    assert.equal(location.slice(0, uploads.length), uploads);
    const answer = await send("PUT", location);
    assert.equal(answer.status, 400);
    assert.match(await answer.text(), /"DIGEST_INVALID"/);
    assert.equal((await send("PUT", `${location}?digest=md5:abc`)).status, 400);
    const strange = await send("GET", `${uploads}UPPER`);
    assert.equal(strange.status, 404);
    assert.match(await strange.text(), /"BLOB_UPLOAD_UNKNOWN"/);
    const hinted = await send("POST", `${uploads}?digest-algorithm=md5`);
    assert.match(await hinted.text(), /"DIGEST_INVALID"/);
  });

  test("pushes in one request, cancels, and leaves nothing of what was cancelled", async (t) => {
    const { registry, send, begin } = await serve(t);
    const pushed = await send("POST", `${uploads}?digest=${digestOf("abc")}`, "abc");
    assert.equal(pushed.status, 201);
    const location = await begin();
    await send("PATCH", location, "more");
    assert.equal((await send("DELETE", location)).status, 204);
    assert.equal((await send("DELETE", location)).status, 404);
    assert.equal((await storedObjects(registry)).length, 1);
  });

  test("mounts what may be read, else begins an upload for whatever digest was asked", async (t) => {
    const { registry, send } = await serve(t);
    const digest = await push(registry, repositoryName("acme/source"), "abc");
    for (const from of ["&from=acme/source", "", "&from=NOT/a/name"]) {
      const mounted = await send("POST", `${uploads}?mount=${digest}${from}`);
      assert.equal(mounted.status, 201);
      assert.equal(mounted.headers.get("location"), `/v2/acme/app/blobs/${digest}`);
    }
    const missing = digestOf("nobody has it");
    const begun = await send("POST", `${uploads}?mount=${missing}&from=acme/source&digest=${missing}`);
    assert.deepEqual([begun.status, begun.headers.get("range")], [202, "0-0"]);
  });

  test("the area expires uploads, voids stale claims and forgets what others removed", async (t) => {
    const { registry, area, send, begin } = await serve(t);
    const location = await begin();
    await registry.database.transaction((tx) =>
      tx
        .updateTable("uploads")
        .set({ claimed_by: "dead:1", claimed_until_ms: registry.clock.nowMs() + 30_000 })
        .execute(),
    );
    assert.equal((await send("PATCH", location, "abc")).status, 409);
    await area.releaseStaleClaims();
    assert.equal((await send("PATCH", location, "abc")).status, 202);
    registry.advance(1_001);
    assert.equal(await area.expireUploads({ expiryMs: 1_000, limit: 10 }), 1);
    const digest = await push(registry, repositoryName("acme/app"), "abc");
    const blob = `/v2/acme/app/blobs/${digest}`;
    assert.equal(await (await send("GET", blob)).text(), "abc");
    await registry.database.transaction((tx) => tx.deleteFrom("repository_blobs").execute());
    area.forgetCachedContent();
    assert.equal((await send("GET", blob)).status, 404);
  });

  async function serve(t: TestContext) {
    const registry = await openTestRegistry(open, t);
    const served = await serveRegistry(t, registry);
    const send = (
      method: string,
      path: string,
      body?: string | ReadableStream,
      headers: Record<string, string> = {},
    ) =>
      served.fetch(path, {
        method,
        headers,
        ...(body === undefined ? {} : { body, duplex: "half" }),
      } as RequestInit); // as: `duplex` is missing in the types
    const begin = async (query = "") => {
      const answer = await send("POST", `${uploads}${query}`);
      assert.equal(answer.status, 202);
      return answer.headers.get("location") ?? "";
    };
    return { registry, area: served.registry, send, begin };
  }
});
