import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "./check-layers.ts";

test("an area may import what lies below it", () => {
  assert.equal(judge("registry/blobs/blob-routes.ts", "http/endpoint.ts"), undefined);
  assert.equal(judge("lifecycle/garbage-collection/collect-garbage.ts", "registry/registry.ts"), undefined);
});

test("an area may not import what lies above or beside it", () => {
  assert.match(
    judge("storage/database/open-database.ts", "registry/registry.ts") ?? "",
    /must not know registry/,
  );
  assert.match(judge("registry/registry.ts", "lifecycle/lifecycle.ts") ?? "", /must not know lifecycle/);
  assert.match(judge("http/error-table.ts", "identity/identity.ts") ?? "", /must not know identity/);
});

test("only the composition root reads the configuration", () => {
  assert.equal(judge("app/create-instance.ts", "config/config.ts"), undefined);
  assert.match(judge("operations/health/check-health.ts", "config/config.ts") ?? "", /configuration/);
});

test("a folder without a rank is refused, so that new areas get one", () => {
  assert.match(judge("builds/builds.ts", "lib/clock.ts") ?? "", /no rank/);
});

test("helpers of tests stay out of the product", () => {
  assert.match(
    judge("registry/registry.ts", "storage/database/testing/each-database.ts") ?? "",
    /only tests/,
  );
  assert.equal(judge("registry/registry.test.ts", "storage/database/testing/each-database.ts"), undefined);
});

test("routes are gathered by their area's face", () => {
  assert.equal(judge("registry/registry.ts", "registry/blobs/blob-routes.ts"), undefined);
  assert.match(judge("registry/tags/list-tags.ts", "registry/blobs/blob-routes.ts") ?? "", /face/);
});
