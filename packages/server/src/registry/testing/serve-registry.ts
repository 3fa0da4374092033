import type { TestContext } from "node:test";
import type { Actor } from "../../access/actor.ts";
import { startTestServer } from "../../http/testing/test-server.ts";
import { createRegistry, type Registry } from "../registry.ts";
import { administrator, type TestRegistry } from "./open-test-registry.ts";

/** The registry's endpoints behind a real server, for an administrator unless another actor is given. */
export async function serveRegistry(
  t: TestContext,
  { deps }: TestRegistry,
  actor: Actor = administrator,
): Promise<{ readonly registry: Registry; fetch(path: string, init?: RequestInit): Promise<Response> }> {
  const registry = createRegistry({ ...deps, manifestCacheBytes: 1_000_000, blobCacheBytes: 1_000_000 });
  const server = await startTestServer(t, registry.endpoints, {
    access: deps.access,
    authenticate: async () => actor,
    clock: deps.clock,
  });
  return { registry, fetch: (path, init) => fetch(`http://127.0.0.1:${server.port}${path}`, init) };
}
