import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { loadConfig } from "../config/load-config.ts";
import { silentLog } from "../lib/log.ts";
import { createInstance } from "./create-instance.ts";

async function serve(t: TestContext, settings: Readonly<Record<string, string>> = {}) {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-operations-"));
  const config = await loadConfig({
    ENTREPOT_HOST: "127.0.0.1",
    ENTREPOT_PORT: "0",
    ENTREPOT_DATA_DIR: folder,
    ENTREPOT_ADMIN_PASSWORD: "correct-horse-battery",
    ...settings,
  });
  const instance = await createInstance(config, silentLog);
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= instance.close();
    return closing;
  };
  t.after(async () => {
    await close();
    await rm(folder, { recursive: true, force: true });
  });
  const get = (path: string) =>
    fetch(`http://127.0.0.1:${instance.port}${path}`, { headers: { connection: "close" } });
  return { close, get };
}

test("tells how it is, and how busy", async (t) => {
  const { get } = await serve(t);
  for (const name of ["live", "ready", "instance", "endtoend"]) {
    const reply = await get(`/health/${name}`);
    assert.equal(reply.status, 200, `${name}: ${await reply.text()}`);
  }
  const text = await (await get("/metrics")).text();
  for (const pattern of [
    /^entrepot_build_info\{version="[^"]+"\} 1$/m,
    /^entrepot_utilization 0?\.?\d+/m,
    /^entrepot_database_connections_limit 1$/m,
    /^entrepot_cache_lookups_total\{cache="manifest",outcome="hit"\} 0$/m,
    /^entrepot_pulls_total 0$/m,
    /^entrepot_http_requests_total\{endpoint="health.live",method="GET",status="2xx"\} 1$/m,
  ]) {
    assert.match(text, pattern);
  }
});

test("who is told to stop says so first, and goes on answering until others had time to notice", async (t) => {
  const { close, get } = await serve(t, { ENTREPOT_DRAIN_DELAY_SECONDS: "5" });
  const closing = close();
  const ready = await get("/health/ready");
  assert.deepEqual(
    [ready.status, ((await ready.json()) as { readonly status: string }).status],
    [503, "draining"],
  ); // as: the reply's shape
  assert.equal((await get("/health/instance")).status, 503);
  assert.equal((await get("/health/live")).status, 200);
  assert.equal((await get("/v2/")).status < 500, true, "requests are answered as ever");
  await closing;
  await assert.rejects(get("/health/live"));
});
