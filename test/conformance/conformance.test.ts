import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import type { AccessMode } from "./access.ts";
import { accessModes } from "./access.ts";
import { fullMarksProblems } from "./full-marks.ts";
import { profileNames } from "./profile.ts";
import type { ReferenceRegistry, Sabotage } from "./reference-registry/reference-registry.ts";
import { startReferenceRegistry } from "./reference-registry/reference-registry.ts";
import type { RegistryReply } from "./reference-registry/registry-message.ts";
import { requestHeader } from "./reference-registry/registry-message.ts";
import { runConformance } from "./run-conformance.ts";
import { withHeaders } from "./sabotages/sabotage-case.ts";

const credentials = { username: "user", password: "password" };

describe("a correct registry gets full marks", () => {
  for (const profile of profileNames) {
    for (const access of accessModes) {
      it(`in profile ${profile} with ${access} access`, async () => {
        await withRegistry({ access }, async ({ address }) => {
          const report = await runConformance({ registry: address, profile, access, credentials });
          assert.deepEqual(fullMarksProblems(report), []);
          assert.equal(report.status, "Pass");
        });
      });
    }
  }

  it("a second time, because a run leaves nothing behind that matters", async () => {
    await withRegistry({}, async ({ address }) => {
      for (let run = 0; run < 2; run += 1) {
        const report = await runConformance({
          registry: address,
          profile: "dev+sparse",
          access: "anonymous",
        });
        assert.deepEqual(fullMarksProblems(report), []);
      }
    });
  });

  it("when it wants larger chunks, and gets them", async () => {
    const minimumBytes = 4096;
    const chunksOfUploads = new Map<string, number[]>();
    const sabotage: Sabotage = (request, next) => {
      const reply = next(request);
      if (request.method === "PATCH" && requestHeader(request, "content-range") !== undefined) {
        const chunks = chunksOfUploads.get(request.path) ?? [];
        chunksOfUploads.set(request.path, [...chunks, request.body.length]);
      }
      const isOpened = request.method === "POST" && reply.status === 202;
      return isOpened ? withHeaders(reply, { "OCI-Chunk-Min-Length": String(minimumBytes) }) : reply;
    };
    await withRegistry({ sabotage }, async ({ address }) => {
      const report = await runConformance({ registry: address, profile: "dev", access: "anonymous" });
      assert.deepEqual(fullMarksProblems(report), []);
    });
    const allButLast = [...chunksOfUploads.values()].flatMap((chunks) => chunks.slice(0, -1));
    assert.ok(allButLast.length > 0);
    // An out-of-order chunk may be the short last one of its blob.
    const tooShort = allButLast.filter((bytes) => bytes < minimumBytes && bytes !== minimumBytes - 5);
    assert.deepEqual(tooShort, []);
  });

  it("when it redirects blob reads to another host, which never sees the credentials", async () => {
    const kept = new Map<string, RegistryReply>();
    const authorizations: unknown[] = [];
    const elsewhere: Sabotage = (request) => {
      authorizations.push(request.headers["authorization"]);
      return kept.get(request.path) ?? { status: 404 };
    };
    await withRegistry({ sabotage: elsewhere }, async (store) => {
      const redirecting: Sabotage = (request, next) => {
        const reply = next(request);
        if (!["GET", "HEAD"].includes(request.method) || ![200, 206].includes(reply.status)) return reply;
        if (!/\/blobs\/sha/.test(request.path)) return reply;
        const path = `/${randomUUID()}`;
        kept.set(path, reply);
        return { status: 307, headers: { Location: `${store.address}${path}` } };
      };
      await withRegistry({ access: "basic", sabotage: redirecting }, async ({ address }) => {
        const options = { registry: address, profile: "dev", access: "basic", credentials } as const;
        assert.deepEqual(fullMarksProblems(await runConformance(options)), []);
      });
    });
    assert.ok(authorizations.length > 0);
    assert.ok(authorizations.every((value) => value === undefined));
  });
});

describe("runConformance", () => {
  it("fails every case when the password is wrong, and does not throw", async () => {
    for (const access of ["basic", "bearer"] as const) {
      await withRegistry({ access }, async ({ address }) => {
        const wrong = { username: "user", password: "guess" };
        const filter = "missing-manifest";
        const report = await runConformance({
          registry: address,
          profile: "dev",
          access,
          credentials: wrong,
          filter,
        });
        assert.deepEqual(report.counts, { Disabled: 0, Skip: 0, Pass: 0, FAIL: 2, Error: 0 });
      });
    }
  });

  it("sends no credentials in anonymous mode", async () => {
    const sabotage: Sabotage = (request, next) => {
      assert.equal(request.headers["authorization"], undefined);
      return next(request);
    };
    await withRegistry({ sabotage }, async ({ address }) => {
      const options = { registry: address, profile: "dev", access: "anonymous", credentials } as const;
      assert.equal((await runConformance({ ...options, filter: "image" })).status, "Pass");
    });
  });

  it("fails every case when nobody listens", async () => {
    const registry = await startReferenceRegistry();
    await registry.close();
    const report = await runConformance({
      registry: registry.address,
      profile: "stable",
      access: "anonymous",
      filter: "empty",
    });
    assert.equal(report.counts.Pass, 0);
    assert.equal(report.status, "FAIL");
  });

  it("runs only what the filter names, and what it needs", async () => {
    await withRegistry({}, async ({ address }) => {
      const options = { registry: address, profile: "dev", access: "anonymous" } as const;
      const mounts = await runConformance({ ...options, filter: "sha512 blobs/mount missing" });
      assert.deepEqual(
        mounts.cases.map((result) => result.path),
        ["blob-mount", "blob-head", "blob-get", "blob-delete"].map(
          (name) => `sha512 blobs/mount missing/${name}`,
        ),
      );
      const none = await runConformance({ ...options, filter: "no such group" });
      assert.equal(none.caseCount, 0);
    });
  });

  it("refuses an address that is none, and access without credentials", async () => {
    const options = { registry: "nowhere", profile: "dev", access: "anonymous" } as const;
    await assert.rejects(runConformance(options), /not an address/);
    await assert.rejects(
      runConformance({ ...options, registry: "http://127.0.0.1:1", access: "bearer" }),
      /needs a user name/,
    );
  });
});

interface RegistryOptions {
  readonly access?: AccessMode;
  readonly sabotage?: Sabotage;
}

async function withRegistry(
  options: RegistryOptions,
  use: (registry: ReferenceRegistry) => Promise<void>,
): Promise<void> {
  const registry = await startReferenceRegistry({ ...options, credentials });
  try {
    await use(registry);
  } finally {
    await registry.close();
  }
}
