import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { mediaTypes } from "@entrepot/oci/media-types";
import { countRoundTrips } from "../storage/database/testing/count-round-trips.ts";
import { eachDatabase, type OpenTestDatabase } from "../storage/database/testing/each-database.ts";
import { bytesOf, digestOf, imageBytes, push, pushImage, repositoryName } from "./testing/content.ts";
import { openTestRegistry, type TestRegistry } from "./testing/open-test-registry.ts";
import { serveRegistry } from "./testing/serve-registry.ts";

const name = repositoryName("acme/app");

/** The statements that are sent while `work` runs. */
async function statementsOf(
  registry: TestRegistry,
  work: () => Promise<unknown>,
): Promise<readonly string[]> {
  const sent: string[] = [];
  registry.faults.watch((sql) => void sent.push(sql));
  try {
    await work();
  } finally {
    registry.faults.watch(undefined);
  }
  return sent;
}

/** Until what other instances do is heard of. */
async function listening({ database }: TestRegistry): Promise<void> {
  while (database.noticeStamp("removal") === undefined) await delay(5);
}

/** Opens the database of that url, always. */
function through(open: OpenTestDatabase, url: string): OpenTestDatabase {
  return Object.assign((t: TestContext, options = {}) => open(t, { ...options, url }), {
    engine: open.engine,
    url: async () => url,
  });
}

async function start(t: TestContext, registry: TestRegistry) {
  await listening(registry);
  const digest = await pushImage(registry, name, { layers: ["a"] }, ["v1"]);
  const served = await serveRegistry(t, registry);
  const fetch = (path: string, init?: RequestInit) => served.fetch(path, init);
  const get = async (path: string, status = 200) => {
    const response = await fetch(`/v2/acme/app/${path}`);
    await response.arrayBuffer();
    assert.equal(response.status, status, path);
  };
  await get("tags/list"); // rights are known from now on
  return { digest, get, fetch };
}

eachDatabase((open) => {
  test("a manifest is read by one statement, and again by none; by tag again by none where others' pushes cost none to see", async (t) => {
    const registry = await openTestRegistry(open, t);
    const { digest, get } = await start(t, registry);
    const count = async (path: string) => (await statementsOf(registry, () => get(path))).length;
    assert.equal(await count(`manifests/${digest}`), 1, "by digest, first");
    assert.equal(await count(`manifests/${digest}`), 0, "by digest, again");
    assert.equal(await count("manifests/v1"), 1, "by tag, first");
    assert.equal(await count("manifests/v1"), open.engine === "sqlite" ? 0 : 1, "by tag, again");
    const { config } = JSON.parse(imageBytes({ layers: ["a"] }).toString());
    assert.equal(await count(`blobs/${config.digest}`), 1, "blob, first");
    assert.equal(await count(`blobs/${config.digest}`), 0, "blob, again");
  });

  test("a push takes few round trips to PostgreSQL and few statements of SQLite", async (t) => {
    const url = await open.url(t);
    const wire = open.engine === "postgres" ? await countRoundTrips(url) : undefined;
    t.after(() => wire?.close());
    const registry = await openTestRegistry(through(open, wire?.url ?? url), t);
    const { fetch } = await start(t, registry);
    const send = async (method: string, path: string, body: Buffer | undefined, status: number) => {
      const headers = path.startsWith("manifests/") ? { "content-type": mediaTypes.imageManifest } : {};
      const url = path.startsWith("/") ? path : `/v2/acme/app/${path}`;
      const reply = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
      assert.equal(reply.status, status, `${method} ${path} ${await reply.text()}`);
      return reply.headers.get("location") ?? "";
    };
    const figures: string[] = [];
    const count = async (
      what: string,
      limits: { trips: number; statements: number },
      work: () => Promise<unknown>,
    ) => {
      const before = wire?.count() ?? 0;
      const { length } = await statementsOf(registry, work);
      const trips = (wire?.count() ?? before) - before;
      figures.push(`${what} ${wire === undefined ? "" : `${trips} round trips, `}${length} statements`);
      if (trips > limits.trips || length > limits.statements) assert.fail(figures.at(-1));
    };
    const image = (round: string) => imageBytes({ layers: ["a"], annotations: { round } });
    for (const round of ["first", "again"]) {
      // The second time what was not known of a connection is: the limits are the same.
      const put = (path: string) => () => send("PUT", `manifests/${path}`, image(round), 201);
      await count("manifest, new tag", { trips: 2, statements: 17 }, put(round));
      await count("manifest, tag moved", { trips: 2, statements: 18 }, put("v1"));
      await count("manifest, pushed again", { trips: 2, statements: 15 }, put("v1"));
      await count("manifest, by digest", { trips: 2, statements: 16 }, put(digestOf(image(round))));
    }
    for (const round of ["first", "again"]) {
      const uploads = "blobs/uploads/";
      const [whole, chunked] = [`whole ${round}`, `chunked ${round}`];
      const closing = (text: string) => `?digest=${digestOf(text)}`;
      const post = (text: string) => () => send("POST", uploads + closing(text), bytesOf(text), 201);
      await count("blob, one request", { trips: 3, statements: 12 }, post(whole));
      await count("blob, one request, known", { trips: 3, statements: 14 }, post(whole));
      let location = "";
      await count("blob, POST", { trips: 1, statements: 5 }, async () => {
        location = await send("POST", uploads, undefined, 202);
      });
      await count("blob, PATCH", { trips: 2, statements: 9 }, () =>
        send("PATCH", location, bytesOf(chunked), 202),
      );
      await count("blob, PUT", { trips: 3, statements: 14 }, () =>
        send("PUT", location + closing(chunked), undefined, 201),
      );
      location = await send("POST", uploads, undefined, 202);
      await count("blob, PUT with body", { trips: 3, statements: 15 }, () =>
        send("PUT", location + closing(chunked), bytesOf(chunked), 201),
      );
      const mounted = `blobs/uploads/?mount=${digestOf(whole)}&from=acme/other`;
      await push(registry, repositoryName("acme/other"), whole);
      await send("POST", mounted, undefined, 201); // the rights there are known from now on
      await count("blob, mount", { trips: 3, statements: 9 }, () => send("POST", mounted, undefined, 201));
    }
    for (const figure of new Set(figures)) t.diagnostic(figure);
  });

  test("a tag that one instance moved is what the next read of another shows, and content taken away is gone there, too", async (t) => {
    const openSame = through(open, await open.url(t));
    const own = await openTestRegistry(openSame, t);
    const { digest, get, fetch } = await start(t, own);
    const other = await openTestRegistry(openSame, t);
    await get(`manifests/${digest}`);
    for (let round = 0; round < 20; round += 1) {
      const moved = await pushImage(other, name, { layers: [`layer ${round}`] }, ["v1"]);
      const response = await fetch("/v2/acme/app/manifests/v1", { method: "HEAD" });
      assert.equal(response.headers.get("docker-content-digest"), moved, "the very next read");
    }
    const served = await serveRegistry(t, other);
    const deleted = await served.fetch(`/v2/acme/app/manifests/${digest}`, { method: "DELETE" });
    assert.equal(deleted.status, 202);
    assert.equal((await fetch(`/v2/acme/app/manifests/${digest}`)).status, 404, "the very next read");
  });
});
