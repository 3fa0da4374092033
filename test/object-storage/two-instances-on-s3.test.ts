import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createBucket } from "@entrepot/server/storage/blob-store/testing/create-bucket";
import {
  missingObjectServer,
  type ObjectServer,
  startObjectServer,
} from "@entrepot/server/storage/blob-store/testing/start-object-server";
import { startTwoInstances, type TwoInstances } from "../identity/two-instances.ts";
import {
  contentOf,
  manifestOf,
  openSession,
  type RegistrySession,
  randomContent,
} from "../support/registry-session.ts";
import { administrator } from "../support/server-process.ts";

const missing = missingObjectServer("ceph");
const octets = { "content-type": "application/octet-stream" };

describe("two instances on PostgreSQL and S3", { skip: missing ?? false }, () => {
  let server: ObjectServer;
  before(async () => {
    server = await startObjectServer("ceph");
  });
  after(() => server.stop());

  async function startBoth(
    t: Parameters<typeof startTwoInstances>[0],
    more: Readonly<Record<string, string>> = {},
  ) {
    const bucket = await createBucket(server);
    const instances: TwoInstances = await startTwoInstances(t, {
      ENTREPOT_STORAGE_URL: `s3://${bucket}/registry?endpoint=${server.origin}&pathStyle=true&partMiB=5`,
      ENTREPOT_STORAGE_ACCESS_KEY: server.keys.accessKey,
      ENTREPOT_STORAGE_SECRET_KEY: server.keys.secretKey,
      ENTREPOT_LOG_LEVEL: "warn",
      ...more,
    });
    return {
      here: openSession(instances.here.origin, administrator),
      there: openSession(instances.there.origin, administrator),
    };
  }

  async function whole(session: RegistrySession, path: string, headers: Record<string, string> = {}) {
    const response = await session.request("GET", path, { headers });
    return { response, bytes: Buffer.from(await response.arrayBuffer()) };
  }

  test("an upload changes the instance at every step, and both serve what it became", async (t) => {
    const { here, there } = await startBoth(t);
    const content = randomContent(13_000_000);
    const bytes = Buffer.from(content.bytes);
    const ends = [6_000_000, 6_000_100, 6_000_200, 12_500_000];
    const begun = await here.request("POST", "/v2/team/app/blobs/uploads/");
    assert.equal(begun.status, 202);
    let location = begun.headers.get("location") ?? "";
    let start = 0;
    for (const [index, end] of ends.entries()) {
      const appended = await (index % 2 === 0 ? there : here).request("PATCH", location, {
        body: bytes.subarray(start, end),
        headers: { ...octets, "content-range": `${start}-${end - 1}` },
      });
      assert.equal(appended.status, 202, await appended.text());
      assert.equal(appended.headers.get("range"), `0-${end - 1}`);
      location = appended.headers.get("location") ?? "";
      start = end;
      const asked = await (index % 2 === 0 ? here : there).request("GET", location);
      assert.equal(asked.headers.get("range"), `0-${end - 1}`, "the other one knows at once");
    }
    const stale = await here.request("PATCH", location, {
      body: bytes.subarray(0, 100),
      headers: { ...octets, "content-range": "0-99" },
    });
    assert.equal(stale.status, 416, "an instance does not fall back to what it saw last");
    const closed = await there.request("PUT", `${location}?digest=${content.digest}`, {
      body: bytes.subarray(start),
      headers: octets,
    });
    assert.equal(closed.status, 201, await closed.text());
    for (const session of [here, there]) {
      const pulled = await whole(session, `/v2/team/app/blobs/${content.digest}`);
      assert.equal(pulled.response.status, 200);
      assert.equal(contentOf(pulled.bytes).digest, content.digest);
      const part = await whole(session, `/v2/team/app/blobs/${content.digest}`, {
        range: "bytes=5999990-6000209",
      });
      assert.equal(part.response.status, 206);
      assert.deepEqual(part.bytes, bytes.subarray(5_999_990, 6_000_210));
    }
  });

  test("an image pushed at one is pulled at the other, and deleted for both", async (t) => {
    const { here, there } = await startBoth(t);
    const [config, layer] = [randomContent(2_000), randomContent(7_000_000)];
    assert.equal(await here.pushBlob("team/app", config, "post"), 201);
    assert.equal(await there.pushBlob("team/app", layer, "patch"), 201);
    const manifest = manifestOf(config, [layer]);
    assert.equal(await here.pushManifest("team/app", "v1", manifest), 201);
    assert.equal(contentOf((await whole(there, "/v2/team/app/manifests/v1")).bytes).digest, manifest.digest);
    for (const content of [config, layer]) {
      const pulled = await whole(there, `/v2/team/app/blobs/${content.digest}`);
      assert.equal(contentOf(pulled.bytes).digest, content.digest);
    }
    assert.equal(await there.pushBlob("team/other", layer, "put"), 201, "pushed again it is kept once");
    const health = await (await here.request("GET", "/health/endtoend")).json();
    const parts = ["database", "storage", "sign-in"].map((name) => ({ name, ok: true }));
    assert.deepEqual(health, { status: "ok", parts });
  });

  test("a pull is sent to the bucket by a signed address that serves this blob only, and not for ever", async (t) => {
    const { here } = await startBoth(t, {
      ENTREPOT_STORAGE_REDIRECT: "on",
      ENTREPOT_STORAGE_REDIRECT_MIN_KIB: "100",
      ENTREPOT_STORAGE_REDIRECT_EXCEPT_AGENTS: "oldtool",
      ENTREPOT_STORAGE_REDIRECT_SECONDS: "10",
    });
    const [small, large] = [randomContent(2_000), randomContent(6_000_000)];
    assert.equal(await here.pushBlob("team/app", small, "patch"), 201);
    assert.equal(await here.pushBlob("team/app", large, "patch"), 201);
    const path = `/v2/team/app/blobs/${large.digest}`;
    assert.equal((await whole(here, `/v2/team/app/blobs/${small.digest}`)).response.status, 200);
    assert.equal((await here.request("HEAD", path)).status, 200, "HEAD is answered here");
    assert.equal((await whole(here, path, { "user-agent": "OldTool/3" })).response.status, 200);
    assert.equal((await whole(here, path, { range: "bytes=0-9,20-29" })).response.status, 206);

    const sent = await here.request("GET", path);
    assert.equal(sent.status, 307);
    assert.equal(sent.headers.get("docker-content-digest"), large.digest);
    assert.equal(sent.headers.get("cache-control"), "no-store");
    const address = sent.headers.get("location") ?? "";
    assert.ok(address.startsWith(server.origin) && !address.includes(server.keys.secretKey), address);
    const got = await fetch(address, { headers: { range: "bytes=100-199" } });
    assert.equal(got.status, 206);
    assert.deepEqual(Buffer.from(await got.arrayBuffer()), Buffer.from(large.bytes.subarray(100, 200)));
    const all = await fetch(address);
    assert.equal(all.headers.get("content-type"), "application/octet-stream");
    assert.match(all.headers.get("cache-control") ?? "", /immutable/);
    assert.equal(contentOf(Buffer.from(await all.arrayBuffer())).digest, large.digest);

    const changed = [
      address.replace(/X-Amz-Signature=.{8}/, `X-Amz-Signature=${"0".repeat(8)}`),
      address.replace(/X-Amz-Expires=\d+/, "X-Amz-Expires=604800"),
      // No digest has these: what is altered is never what it was.
      address.replace(/(registry\/)[0-9a-f]{2}/, "$1zz"),
      address.replace(/response-content-type=[^&]*/, "response-content-type=text%2Fhtml"),
    ];
    for (const other of changed) {
      assert.notEqual(other, address);
      const refused = await fetch(other);
      await refused.arrayBuffer();
      assert.equal(refused.status, 403, other);
    }
    const written = await fetch(address, { method: "PUT", body: "x" });
    await written.arrayBuffer();
    assert.equal(written.status, 403, "it is good for reading only");
    const signedAt = /X-Amz-Date=(\w+)/.exec(address)?.[1] ?? "";
    assert.notEqual(signedAt, "");
    const expired = await untilRefused(address);
    assert.equal(expired, 403);
  });
});

/** Asks until the address has expired; gives up after half a minute. */
async function untilRefused(address: string): Promise<number> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const { status, body } = await fetch(address, { headers: { range: "bytes=0-0" } });
    await body?.cancel();
    if (status >= 400 || performance.now() > deadline) return status;
    await new Promise((resolve) => {
      setTimeout(resolve, 500);
    });
  }
}
