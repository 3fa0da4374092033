import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { createBucket } from "@entrepot/server/storage/blob-store/testing/create-bucket";
import {
  missingObjectServer,
  startObjectServer,
} from "@entrepot/server/storage/blob-store/testing/start-object-server";

const repository = join(import.meta.dirname, "../..");
const missing = missingObjectServer("ceph");

test("the tests of uploads and linked blobs pass with the blobs in S3", {
  skip: missing ?? false,
}, async (t) => {
  const server = await startObjectServer("ceph");
  t.after(() => server.stop());
  const bucket = await createBucket(server);
  const files = [
    "uploads/append-to-upload.test.ts",
    "uploads/complete-upload.test.ts",
    "uploads/cancel-upload.test.ts",
    "blobs/linked-blob.test.ts",
  ].map((file) => join("packages/server/src/registry", file));
  const child = spawn(process.execPath, ["--conditions=source", "--test", "--test-concurrency=1", ...files], {
    cwd: repository,
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      // oxlint-disable-next-line node/no-process-env -- the test's own environment, PostgreSQL's address in it
      ...process.env,
      NODE_TEST_CONTEXT: undefined,
      ENTREPOT_TEST_STORAGE_URL: `s3://${bucket}?endpoint=${server.origin}&pathStyle=true`,
      ENTREPOT_TEST_STORAGE_KEYS: `${server.keys.accessKey} ${server.keys.secretKey}`,
    },
  });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  assert.equal(code, 0, output.slice(-20_000));
  assert.match(output, /^ℹ fail 0$/m);
  t.diagnostic(/^ℹ pass \d+$/m.exec(output)?.[0] ?? "");
});
