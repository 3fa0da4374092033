import assert from "node:assert/strict";
import { after, before, describe, type TestContext, test } from "node:test";
import {
  type ObjectServer,
  startObjectServer,
} from "@entrepot/server/storage/blob-store/testing/start-object-server";
import { fullMarksProblems } from "../conformance/full-marks.ts";
import { runConformance } from "../conformance/run-conformance.ts";
import { contentOf, digestOf, manifestOf, openSession, randomContent } from "../support/registry-session.ts";
import { administrator } from "../support/server-process.ts";
import { openTestPostgres } from "../support/test-postgres.ts";
import { missingForCluster, startCluster } from "./start-cluster.ts";

const skip = missingForCluster() ?? false;

describe("instances on PostgreSQL and S3 behind a load balancer that knows no sessions", { skip }, () => {
  let objects: ObjectServer;
  before(async () => {
    objects = await startObjectServer("ceph");
  });
  after(() => objects.stop());

  for (const instances of [2, 4]) {
    test(`${instances} of them have full marks`, async (t: TestContext) => {
      const cluster = await startCluster(t, {
        instances,
        objects,
        databaseUrl: await databaseFor(t),
        settings: { ENTREPOT_SPARSE_MANIFESTS: "all" },
      });
      for (const access of ["basic", "bearer"] as const) {
        const report = await runConformance({
          registry: cluster.origin,
          profile: "dev+sparse",
          access,
          credentials: administrator,
        });
        t.diagnostic(`${instances} instances, ${access}: ${JSON.stringify(report.counts)}`);
        assert.deepEqual(fullMarksProblems(report), []);
      }
    });
  }

  test("an upload moves to another instance at every step, and what was pushed is read from each", async (t: TestContext) => {
    const cluster = await startCluster(t, { instances: 3, objects, databaseUrl: await databaseFor(t) });
    const session = openSession(cluster.origin, administrator);
    const chunks = [randomContent(300_000), randomContent(9_000_000), randomContent(70_000)];
    const whole = contentOf(Buffer.concat(chunks.map(({ bytes }) => bytes)));
    const by: string[] = [];
    const note = async (response: Response, status: number) => {
      by.push(response.headers.get("x-instance") ?? "");
      const text = await response.text();
      assert.equal(response.status, status, text);
      return response.headers.get("location") ?? "";
    };
    let location = await note(await session.request("POST", "/v2/admin/app/blobs/uploads/"), 202);
    let offset = 0;
    for (const { bytes } of chunks) {
      const headers = {
        "content-type": "application/octet-stream",
        "content-range": `${offset}-${offset + bytes.byteLength - 1}`,
      };
      location = await note(await session.request("PATCH", location, { body: bytes, headers }), 202);
      offset += bytes.byteLength;
      await note(await session.request("GET", location), 204);
    }
    const joint = location.includes("?") ? "&" : "?";
    await note(await session.request("PUT", `${location}${joint}digest=${whole.digest}`), 201);
    assert.ok(
      by.every((instance, index) => index === 0 || instance !== by[index - 1]),
      `each step by another instance than the one before: ${by.join(", ")}`,
    );
    const config = contentOf(Buffer.from("{}"));
    assert.equal(await session.pushBlob("admin/app", config, "put"), 201);
    const manifest = manifestOf(config, [whole]);
    assert.equal(await session.pushManifest("admin/app", "1", manifest), 201);
    for (const { origin } of cluster.instances) {
      const direct = openSession(origin, administrator);
      const read = await direct.request("GET", `/v2/admin/app/blobs/${whole.digest}`);
      assert.equal(digestOf(new Uint8Array(await read.arrayBuffer())), whole.digest);
      const tagged = await direct.request("GET", "/v2/admin/app/manifests/1");
      assert.equal(tagged.headers.get("docker-content-digest"), manifest.digest);
      await tagged.body?.cancel();
    }
  });

  test("a tag that was moved or deleted is seen so at every instance, at once", async (t: TestContext) => {
    const cluster = await startCluster(t, { instances: 3, objects, databaseUrl: await databaseFor(t) });
    const sessions = cluster.instances.map(({ origin }) => openSession(origin, administrator));
    const [first] = sessions;
    assert.ok(first !== undefined);
    const config = contentOf(Buffer.from("{}"));
    assert.equal(await first.pushBlob("admin/app", config, "put"), 201);
    const tagAt = async (session: (typeof sessions)[number]) => {
      const reply = await session.request("HEAD", "/v2/admin/app/manifests/latest");
      return reply.status === 200 ? reply.headers.get("docker-content-digest") : reply.status;
    };
    // Each time every instance has it in memory before another changes it.
    for (let round = 0; round < 6; round++) {
      const manifest = manifestOf(config, [], `round ${round}`);
      const writer = sessions[round % sessions.length];
      assert.equal(await writer?.pushManifest("admin/app", "latest", manifest), 201);
      for (const session of sessions) assert.equal(await tagAt(session), manifest.digest, `round ${round}`);
    }
    assert.equal((await first.request("DELETE", "/v2/admin/app/manifests/latest")).status, 202);
    for (const session of sessions) assert.equal(await tagAt(session), 404);
  });
});

async function databaseFor(t: TestContext): Promise<string> {
  const postgres = await openTestPostgres();
  t.after(() => postgres.dispose());
  return postgres.url;
}
