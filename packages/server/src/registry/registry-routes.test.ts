import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { mediaTypes } from "@entrepot/oci/media-types";
import { anonymous } from "../access/actor.ts";
import { eachDatabase } from "../storage/database/testing/each-database.ts";
import { digestOf, imageBytes, push, pushImage, put, repositoryName } from "./testing/content.ts";
import { openTestRegistry, type TestRegistryOptions } from "./testing/open-test-registry.ts";
import { serveRegistry } from "./testing/serve-registry.ts";

const app = repositoryName("acme/app");

eachDatabase((open) => {
  test("reads blobs whole, by ranges and conditionally, and deletes them", async (t) => {
    const { registry, send } = await serve(t);
    const digest = await push(registry, app, "0123456789");
    const blob = `/v2/acme/app/blobs/${digest}`;
    const whole = await send("GET", blob);
    assert.deepEqual([whole.status, await whole.text()], [200, "0123456789"]);
    const part = await send("GET", blob, { range: "bytes=2-4" });
    assert.deepEqual([part.status, await part.text()], [206, "234"]);
    const otherVersion = await send("GET", blob, { range: "bytes=2-4", "if-range": '"old"' });
    assert.deepEqual([otherVersion.status, await otherVersion.text()], [200, "0123456789"]);
    const sameVersion = await send("GET", blob, { range: "bytes=2-4", "if-range": `"${digest}"` });
    assert.deepEqual([sameVersion.status, await sameVersion.text()], [206, "234"]);
    const outside = await send("GET", blob, { range: "bytes=99-" });
    assert.deepEqual([outside.status, outside.headers.get("content-range")], [416, "bytes */10"]);
    assert.equal((await send("GET", blob, { "if-none-match": `"${digest}"` })).status, 304);
    const head = await send("HEAD", blob);
    assert.deepEqual([head.status, head.headers.get("content-length")], [200, "10"]);
    assert.equal((await send("DELETE", blob)).status, 202);
    assert.equal((await send("HEAD", blob)).status, 404);
  });

  test("puts, reads and deletes manifests by tag and digest, with what clients are told in headers", async (t) => {
    const { registry, send } = await serve(t, { sparse: "all" });
    await push(registry, app, "{}");
    const body = imageBytes({ layers: ["absent"], subject: digestOf("subject") });
    const digest = digestOf(body);
    const type = { "content-type": mediaTypes.imageManifest };
    const path = "/v2/acme/app/manifests/";
    const created = await send("PUT", `${path}${digest}?tag=v1&tag=v2`, type, body);
    assert.equal(created.status, 201);
    assert.equal(created.headers.get("location"), `${path}${digest}`);
    assert.equal(created.headers.get("oci-subject"), digestOf("subject"));
    assert.equal(created.headers.get("oci-tag"), "v1, v2");
    assert.match(created.headers.get("warning") ?? "", /^299 - "1 of the blobs/);
    const plain = await send("PUT", `${path}v3`, type, imageBytes({}));
    assert.deepEqual(
      [plain.status, plain.headers.get("warning"), plain.headers.get("oci-tag")],
      [201, null, null],
    );
    assert.equal((await send("PUT", `${path}v3?tag=v4`, type, imageBytes({}))).status, 400);
    const tags = Array.from({ length: 101 }, (_, number) => `tag=t${number}`).join("&");
    assert.equal((await send("PUT", `${path}${digest}?${tags}`, type, body)).status, 414);
    assert.equal((await send("PUT", `${path}v5`, {}, imageBytes({}))).status, 201, "the field says the type");
    const read = await send("GET", `${path}v1`);
    assert.deepEqual(Buffer.from(await read.arrayBuffer()), body);
    assert.equal(read.headers.get("content-type"), mediaTypes.imageManifest);
    const known = { "if-none-match": `"${digest}"` };
    assert.equal((await send("GET", `${path}v1`, known)).status, 304);
    assert.equal((await send("HEAD", `${path}v1`, known)).status, 304);
    assert.equal((await send("HEAD", `${path}v1`)).headers.get("content-length"), String(body.byteLength));
    assert.equal((await send("DELETE", `${path}v1`)).status, 202);
    assert.equal((await send("GET", `${path}v1`)).status, 404);
    assert.equal((await send("DELETE", `${path}${digest}`)).status, 202);
    assert.equal((await send("GET", `${path}v2`)).status, 404);
  });

  test("lists by pages that link to each other: tags, catalog, repositories, referrers", async (t) => {
    const { registry, send } = await serve(t);
    await pushImage(registry, app, {}, ["a", "b", "c"]);
    await push(registry, repositoryName("acme/second"), "x");
    const subject = digestOf("subject");
    for (const note of ["1", "2"]) await put(registry, app, imageBytes({ subject, annotations: { note } }));
    const pages = async (first: string) => {
      const found: unknown[] = [];
      for (let next: string | undefined = first; next !== undefined; ) {
        const answer = await send("GET", next);
        assert.equal(answer.status, 200);
        const body = (await answer.json()) as Record<string, unknown>; // as: JSON
        found.push(body["tags"] ?? body["repositories"] ?? body["manifests"]);
        const linked = /<(.*)>; rel="next"/.exec(answer.headers.get("link") ?? "")?.[1];
        next = linked ?? (typeof body["next"] === "string" ? body["next"] : undefined);
      }
      return found;
    };
    assert.deepEqual(await pages("/v2/acme/app/tags/list?n=2"), [["a", "b"], ["c"]]);
    assert.deepEqual(await pages("/v2/_catalog?n=1"), [["acme/app"], ["acme/second"]]);
    assert.equal((await pages("/api/v1/repositories?n=1")).length, 2);
    const type = encodeURIComponent(mediaTypes.imageConfig);
    const referrers = `/v2/acme/app/referrers/${subject}?n=1&artifactType=${type}`;
    assert.equal((await pages(referrers)).length, 2);
    const filtered = await send("GET", referrers);
    assert.equal(filtered.headers.get("oci-filters-applied"), "artifactType");
    assert.equal(
      (await send("GET", `/v2/acme/app/referrers/${subject}`)).headers.get("oci-filters-applied"),
      null,
    );
    assert.equal((await send("GET", `/v2/acme/app/referrers/${subject}?last=x`)).status, 400);
  });

  test("shows, changes and deletes a repository", async (t) => {
    const { registry, send } = await serve(t);
    await push(registry, app, "x");
    const path = "/api/v1/repositories/acme/app";
    const createdAtMs = registry.clock.nowMs();
    assert.deepEqual(await (await send("GET", path)).json(), {
      name: app,
      visibility: "private",
      state: "active",
      description: "",
      createdAtMs,
    });
    const json = { "content-type": "application/json" };
    const changed = await send("PATCH", path, json, Buffer.from('{"visibility":"public"}'));
    assert.deepEqual(await changed.json(), {
      name: app,
      visibility: "public",
      state: "active",
      description: "",
      createdAtMs,
    });
    assert.equal((await send("PATCH", path, json, Buffer.from('{"visibility":"maybe"}'))).status, 400);
    assert.equal((await send("DELETE", path)).status, 204);
    assert.equal((await send("GET", path)).status, 404);
  });

  test("answers who it is, has no extensions, and challenges who shows nothing", async (t) => {
    const { registry, send } = await serve(t);
    await push(registry, app, "x");
    assert.equal((await send("GET", "/v2/")).status, 200);
    assert.equal((await send("HEAD", "/v2/")).status, 200);
    for (const path of ["/v2/_oci/ext/discover", "/v2/acme/app/_oci/ext/discover"]) {
      assert.deepEqual(await (await send("GET", path)).json(), { extensions: [] });
    }
    const nobody = await serveRegistry(t, registry, anonymous);
    for (const path of ["/v2/", "/v2/_catalog"]) {
      const answer = await nobody.fetch(path);
      assert.equal(answer.status, 401);
      await answer.text();
    }
    const mount = `/v2/acme/app/blobs/uploads/?mount=${digestOf("x")}`;
    for (const [query, isSourceAsked] of [
      ["&from=acme/source", true],
      ["", false],
      ["&from=NOT/a/name", false],
    ] as const) {
      const answer = await nobody.fetch(`${mount}${query}`, { method: "POST" });
      assert.equal(answer.status, 401);
      const challenge = answer.headers.get("www-authenticate") ?? "";
      assert.equal(challenge.includes("repository:acme/source:pull"), isSourceAsked);
    }
  });

  async function serve(t: TestContext, options: TestRegistryOptions = {}) {
    const registry = await openTestRegistry(open, t, options);
    const served = await serveRegistry(t, registry);
    const send = (method: string, path: string, headers: Record<string, string> = {}, body?: Buffer) =>
      served.fetch(path, { method, headers, ...(body === undefined ? {} : { body: new Uint8Array(body) }) });
    return { registry, send };
  }
});
