import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Actor } from "../../access/actor.ts";
import { startTestServer, type TestServer } from "../../http/testing/test-server.ts";
import { AppError } from "../../lib/app-error.ts";
import { createSecretBox } from "../../lib/secret-box.ts";
import { createMemoryBlobStore } from "../../storage/blob-store/memory/memory-blob-store.ts";
import { unopenedDatabase } from "../../storage/database/unopened-database.ts";
import { healthEndpoints } from "./health-routes.ts";
import { createHealthLog } from "./log-health.ts";

const auditor: Actor = {
  kind: "user",
  account: "person",
  userId: 1,
  username: "ada",
  isAdmin: false,
  isAuditor: true,
  credential: "password",
  accessTokenId: undefined,
  limits: undefined,
  credentialScopes: undefined,
};

const inside = "connect ECONNREFUSED db-7.internal:5432";
const folder = "/there/is/no/such/folder";

interface Told {
  readonly status: string;
  readonly parts: readonly { name: string; ok: boolean; code?: string; error?: string }[];
}

/** A registry whose database, storage, keys and disk all fail, each with something to hide. */
async function startBroken(t: TestContext) {
  let nowMs = 1_700_000_000_000;
  const clock = { nowMs: () => nowMs };
  const lines: { readonly fields: Readonly<Record<string, unknown>>; readonly message: string }[] = [];
  const note = (fields: Readonly<Record<string, unknown>>, message: string) =>
    void lines.push({ fields, message });
  const log = { error: note, warn: note, info: note, debug: note, child: () => log };
  let isBroken = true;
  const fail = async (): Promise<void> => {
    if (isBroken) throw new AppError("UNAVAILABLE", "it does not answer", { cause: new Error(inside) });
  };
  const blobs = { ...createMemoryBlobStore(clock), probe: fail };
  const endpoints = healthEndpoints({
    database: { ...unopenedDatabase(), probe: fail },
    blobs,
    clock,
    secretBox: createSecretBox([Buffer.alloc(32)]),
    folders: [folder],
    isDraining: () => false,
    jobsLookedAtMs: () => undefined,
    checkSigningKeys: async () => {
      if (isBroken) throw new Error('relation "signing_keys" does not exist');
    },
    onLooked: createHealthLog(log, clock),
  });
  const server = await startTestServer(t, endpoints, { authenticate: async () => auditor });
  return {
    server,
    lines,
    mend: () => {
      isBroken = false;
    },
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

async function get(server: TestServer, path: string): Promise<{ status: number; text: string }> {
  const reply = await fetch(`http://127.0.0.1:${server.port}${path}`);
  return { status: reply.status, text: await reply.text() };
}

test("anybody is told which part fails, by a code and a sentence of its own, and nothing from inside", async (t) => {
  const { server } = await startBroken(t);
  for (const path of ["/health/endtoend", "/health/instance"]) {
    const { status, text } = await get(server, path);
    assert.equal(status, 503);
    for (const secret of ["db-7", "5432", "ECONNREFUSED", "signing_keys", folder, "answer in"]) {
      assert.equal(text.includes(secret), false, `${path} tells ${secret}: ${text}`);
    }
  }
  const told: Told = JSON.parse((await get(server, "/health/endtoend")).text);
  assert.deepEqual(
    told.parts.map(({ name, code }) => [name, code]),
    [
      ["database", "DATABASE_FAILING"],
      ["storage", "STORAGE_FAILING"],
      ["sign-in", "SIGNING_KEYS_FAILING"],
    ],
  );
  assert.equal(told.parts[0]?.error, "the database does not answer as it should");
});

test("who runs the registry is told what was really said, what caused it included", async (t) => {
  const { server } = await startBroken(t);
  const { status, text } = await get(server, "/api/v1/health");
  assert.equal(status, 200);
  const { instance, endtoend }: { instance: Told; endtoend: Told } = JSON.parse(text);
  assert.equal(endtoend.parts[0]?.error, `it does not answer: ${inside}`);
  assert.match(endtoend.parts[2]?.error ?? "", /relation "signing_keys"/);
  assert.match(instance.parts.find(({ name }) => name === "disk-space")?.error ?? "", /such\/folder/);
});

test("the log has the error as it came, once a minute however often anybody asks, and tells when it is over", async (t) => {
  const { server, lines, mend, pass } = await startBroken(t);
  const failures = () => lines.filter(({ message }) => message === "a part of the registry fails");
  for (let times = 0; times < 5; times += 1) await get(server, "/health/endtoend");
  assert.deepEqual(
    new Set(failures().map(({ fields }) => fields["part"])),
    new Set(["database", "sign-in", "storage"]),
  );
  assert.equal(failures().length, 3);
  const { error } = failures().find(({ fields }) => fields["part"] === "database")?.fields ?? {};
  assert.ok(error instanceof AppError && error.cause instanceof Error);
  assert.equal(error.cause.message, inside);
  pass(61_000);
  await get(server, "/health/endtoend");
  assert.equal(failures().length, 6);
  mend();
  await get(server, "/health/endtoend");
  await get(server, "/health/endtoend");
  assert.equal(lines.filter(({ message }) => message === "a part of the registry is well again").length, 3);
});
