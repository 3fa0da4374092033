import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fullMarksProblems } from "./conformance/full-marks.ts";
import { runConformance } from "./conformance/run-conformance.ts";
import { administrator, freePort, startServer } from "./support/server-process.ts";
import { openTestPostgres } from "./support/test-postgres.ts";

const profiles = ["stable", "dev", "dev+sparse"] as const;
const accesses = ["anonymous", "basic", "bearer"] as const;
const engines = ["SQLite", "PostgreSQL"] as const;

for (const engine of engines) {
  describe(`Entrepôt on ${engine} and disk`, () => {
    for (const access of accesses) {
      test(`has full marks with ${access} access in every profile`, async (t) => {
        const dataDir = await mkdtemp(join(tmpdir(), "entrepot-conformance-"));
        const postgres = engine === "PostgreSQL" ? await openTestPostgres() : undefined;
        const server = await startServer({
          dataDir,
          port: await freePort(),
          settings: {
            // Layers that are not there are an error by default; the sparse profile wants them taken.
            ENTREPOT_SPARSE_MANIFESTS: "all",
            ...(access === "anonymous" ? { ENTREPOT_ANONYMOUS_ACCESS: "full" } : {}),
            ...(postgres === undefined ? {} : { ENTREPOT_DATABASE_URL: postgres.url }),
          },
        });
        t.after(async () => {
          await server.stop("SIGKILL");
          await postgres?.dispose();
          await rm(dataDir, { recursive: true, force: true, maxRetries: 3 });
        });
        for (const profile of profiles) {
          const report = await runConformance({
            registry: server.origin,
            profile,
            access,
            ...(access === "anonymous" ? {} : { credentials: administrator }),
          });
          t.diagnostic(`${engine}, ${access}, ${profile}: ${JSON.stringify(report.counts)}`);
          assert.deepEqual(fullMarksProblems(report), []);
        }
      });
    }
  });
}

test("two worker processes on one SQLite file have full marks, too", async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), "entrepot-conformance-"));
  const settings = { ENTREPOT_SPARSE_MANIFESTS: "all", ENTREPOT_WORKERS: "2" };
  const server = await startServer({ dataDir, port: await freePort(), settings });
  t.after(async () => {
    await server.stop("SIGTERM");
    await rm(dataDir, { recursive: true, force: true, maxRetries: 3 });
  });
  for (const access of ["basic", "bearer"] as const) {
    const options = {
      registry: server.origin,
      profile: "dev+sparse",
      access,
      credentials: administrator,
    } as const;
    assert.deepEqual(fullMarksProblems(await runConformance(options)), []);
  }
});
