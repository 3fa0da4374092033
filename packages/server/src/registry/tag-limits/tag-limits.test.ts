import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Digest } from "@entrepot/oci/digest";
import { mediaTypes } from "@entrepot/oci/media-types";
import { type CredentialScopeJson, toCredentialScope } from "../../access/credential-scope.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import {
  bytesOf,
  digestOf,
  imageBytes,
  indexBytes,
  pushImage,
  put,
  repositoryName,
} from "../testing/content.ts";
import { administrator, openTestRegistry, type TestRegistry } from "../testing/open-test-registry.ts";
import { serveRegistry } from "../testing/serve-registry.ts";

const name = "library/app";
const repository = repositoryName(name);

/** Somebody who may everything, with a credential for some tags. */
async function limited(
  t: TestContext,
  registry: TestRegistry,
  actions: CredentialScopeJson["actions"],
  tags = "1.*",
) {
  const credentialScopes = [toCredentialScope({ repositories: name, tags, actions })];
  const served = await serveRegistry(t, registry, { ...administrator, credentialScopes });
  return async (method: string, path: string, body?: Uint8Array, type: string = mediaTypes.imageManifest) => {
    const reply = await served.fetch(`/v2/${name}${path}`, {
      method,
      ...(body === undefined ? {} : { body: Buffer.from(body), headers: { "content-type": type } }),
    });
    return { status: reply.status, text: await reply.text() };
  };
}

/** Two versions with a layer in common, each with one of its own, under an index each; and a signature of each. */
async function fill(registry: TestRegistry) {
  const images: Digest[] = [];
  const indexes: Digest[] = [];
  const signatures: Digest[] = [];
  for (const version of ["1.0", "2.0"]) {
    const image = await pushImage(registry, repository, {
      config: `{"v":"${version}"}`,
      layers: ["base", `layer ${version}`],
    });
    const index = await put(registry, repository, indexBytes([image]), [version]);
    images.push(image);
    indexes.push(index.digest);
    signatures.push(
      await pushImage(registry, repository, { config: `{"s":"${version}"}`, subject: index.digest }),
    );
  }
  return { images, indexes, signatures };
}

eachDatabase((open) => {
  test("a credential for some tags reads them and what they lead to, and nothing else is there", async (t) => {
    const registry = await openTestRegistry(open, t);
    const { images, indexes, signatures } = await fill(registry);
    const loose = await pushImage(registry, repository, { config: '{"loose":true}' });
    const ask = await limited(t, registry, ["pull"]);
    for (const path of [
      "/manifests/1.0",
      `/manifests/${indexes[0]}`,
      `/manifests/${images[0]}`,
      `/manifests/${signatures[0]}`,
      `/blobs/${digestOf("base")}`,
      `/blobs/${digestOf("layer 1.0")}`,
      `/blobs/${digestOf('{"s":"1.0"}')}`,
    ]) {
      for (const method of ["GET", "HEAD"])
        assert.equal((await ask(method, path)).status, 200, `${method} ${path}`);
    }
    for (const path of [
      "/manifests/2.0",
      "/manifests/nothing",
      `/manifests/${indexes[1]}`,
      `/manifests/${images[1]}`,
      `/manifests/${signatures[1]}`,
      `/manifests/${loose}`,
      `/blobs/${digestOf("layer 2.0")}`,
      `/blobs/${digestOf('{"loose":true}')}`,
    ]) {
      for (const method of ["GET", "HEAD"])
        assert.equal((await ask(method, path)).status, 404, `${method} ${path}`);
    }
    const absent = await ask("GET", `/manifests/${digestOf("absent")}`);
    const outside = await ask("GET", `/manifests/${indexes[1]}`);
    assert.equal(
      outside.text.replaceAll(indexes[1] ?? "", ""),
      absent.text.replaceAll(digestOf("absent"), ""),
    );
    assert.deepEqual(JSON.parse((await ask("GET", "/tags/list")).text), { name, tags: ["1.0"] });
    assert.match((await ask("GET", `/referrers/${indexes[0]}`)).text, new RegExp(signatures[0] ?? ""));
    assert.match((await ask("GET", `/referrers/${indexes[1]}`)).text, /"manifests":\[\]/);
  });

  test("lists its tags page by page, however many others lie between", async (t) => {
    const registry = await openTestRegistry(open, t);
    const others = Array.from({ length: 20 }, (_, index) => `0.${index}`);
    await pushImage(registry, repository, {}, [...others, "1.0", "1.1", "1.2", "2.0"]);
    const ask = await limited(t, registry, ["pull"]);
    const tags = async (query: string): Promise<unknown> =>
      JSON.parse((await ask("GET", `/tags/list${query}`)).text);
    assert.deepEqual(await tags("?n=2"), { name, tags: ["1.0", "1.1"] });
    assert.deepEqual(await tags("?n=2&last=1.1"), { name, tags: ["1.2"] });
  });

  test("pushes its tags only, with whatever a push needs before", async (t) => {
    const registry = await openTestRegistry(open, t);
    const { indexes } = await fill(registry);
    const ask = await limited(t, registry, ["pull", "push"]);
    const layer = bytesOf("fresh");
    assert.equal((await ask("POST", `/blobs/uploads/?digest=${digestOf(layer)}`, layer)).status, 201);
    assert.equal((await ask("POST", `/blobs/uploads/?digest=${digestOf("{}")}`, bytesOf("{}"))).status, 201);
    const image = imageBytes({ layers: ["fresh"] });
    assert.equal((await ask("PUT", `/manifests/${digestOf(image)}`, image)).status, 201);
    assert.equal((await ask("PUT", "/manifests/1.5", image)).status, 201);
    assert.equal((await ask("PUT", `/manifests/${digestOf(image)}?tag=1.6`, image)).status, 201);
    for (const path of [
      "/manifests/2.0",
      "/manifests/latest",
      `/manifests/${digestOf(image)}?tag=1.7&tag=2.7`,
    ]) {
      assert.equal((await ask("PUT", path, image)).status, 403, path);
    }
    const about = (subject: Digest | undefined) =>
      imageBytes({ layers: ["fresh"], ...(subject && { subject }) });
    const within = about(indexes[0]);
    const foreign = about(indexes[1]);
    assert.equal((await ask("PUT", `/manifests/${digestOf(within)}`, within)).status, 201);
    assert.equal((await ask("PUT", `/manifests/${digestOf(foreign)}`, foreign)).status, 403);
    assert.equal((await ask("GET", "/manifests/2.0")).status, 404);
    const asWhole = await serveRegistry(t, registry);
    const kept = await asWhole.fetch(`/v2/${name}/manifests/2.0`, { method: "HEAD" });
    assert.equal(kept.headers.get("docker-content-digest"), indexes[1]);
  });

  test("mounts nothing from outside of its tags", async (t) => {
    const registry = await openTestRegistry(open, t);
    await fill(registry);
    const ask = await limited(t, registry, ["pull", "push"]);
    const mount = (text: string) => ask("POST", `/blobs/uploads/?mount=${digestOf(text)}&from=${name}`);
    assert.equal((await mount("layer 1.0")).status, 201);
    assert.equal((await mount("layer 2.0")).status, 202);
    assert.equal((await ask("POST", `/blobs/uploads/?mount=${digestOf("layer 2.0")}`)).status, 202);
  });

  test("deletes its tags, and manifests that nothing but its tags lead to", async (t) => {
    const registry = await openTestRegistry(open, t);
    const { images, indexes } = await fill(registry);
    const shared = await pushImage(registry, repository, { config: '{"shared":1}' }, ["1.9", "2.9"]);
    const ask = await limited(t, registry, ["pull", "delete"]);
    for (const path of [
      "/manifests/2.0",
      `/manifests/${indexes[1]}`,
      `/manifests/${images[1]}`,
      `/manifests/${shared}`,
      `/manifests/${digestOf("absent")}`,
      `/blobs/${digestOf("base")}`,
    ]) {
      assert.equal((await ask("DELETE", path)).status, 403, path);
    }
    assert.equal((await ask("DELETE", "/manifests/1.9")).status, 202);
    assert.equal((await ask("DELETE", `/manifests/${indexes[0]}`)).status, 202);
  });

  test("endpoints that know nothing of tags are closed to it", async (t) => {
    const registry = await openTestRegistry(open, t);
    await fill(registry);
    const credentialScopes = [
      toCredentialScope({ repositories: name, tags: "1.*", actions: ["pull", "push", "delete", "admin"] }),
    ];
    const served = await serveRegistry(t, registry, {
      ...administrator,
      credentialScopes,
    });
    const closed = served.registry.endpoints.filter(
      (endpoint) => endpoint.can.who === "repository" && endpoint.honoursTagLimits !== true,
    );
    assert.ok(closed.length >= 3);
    for (const { method, path } of closed) {
      const reply = await served.fetch(
        path.replace("{name}", name).replaceAll(/\{\w+\}/g, digestOf("base")),
        {
          method,
        },
      );
      assert.equal(reply.status, 403, `${method} ${path}`);
    }
  });
});
