import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { buildProgram } from "../../tools/build-program.ts";
import type { BenchServer } from "./bench-server.ts";
import { freePort, spawnServer } from "./spawn-server.ts";

const repository = resolve(import.meta.dirname, "../..");
const credentials = { username: "admin", password: "bench-bench-bench" };

/** Entrepôt as it comes, with authentication on: clients get a bearer token as docker does. */
export async function startEntrepot(
  name: string,
  dataDir: string,
  settings: Readonly<Record<string, string>>,
): Promise<BenchServer> {
  mkdirSync(dataDir, { recursive: true });
  // As `npm start` does: what is measured is what is shipped.
  await buildProgram();
  const port = await freePort();
  const spawned = await spawnServer(process.execPath, ["--max-semi-space-size=8", "tools/start.mjs"], {
    url: `http://127.0.0.1:${port}/health/instance`,
    cwd: repository,
    env: {
      MALLOC_ARENA_MAX: "1",
      ENTREPOT_PORT: String(port),
      ENTREPOT_HOST: "127.0.0.1",
      ENTREPOT_DATA_DIR: dataDir,
      ENTREPOT_ADMIN_USERNAME: credentials.username,
      ENTREPOT_ADMIN_PASSWORD: credentials.password,
      ENTREPOT_LOG_LEVEL: "error",
      ENTREPOT_TOKEN_LIFETIME_SECONDS: "7200",
      ...settings,
    },
  });
  return {
    name,
    port,
    ...spawned,
    isRegistry: true,
    dataDir: join(dataDir),
    headers: async (scope) => ({ authorization: `Bearer ${await token(port, scope)}` }),
  };
}

async function token(port: number, scope: string): Promise<string> {
  const basic = Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64");
  const query = new URLSearchParams({ service: "entrepot", scope });
  const response = await fetch(`http://127.0.0.1:${port}/token?${query.toString()}`, {
    headers: { authorization: `Basic ${basic}` },
  });
  if (!response.ok) throw new Error(`the token service answered ${response.status}`);
  const { token } = (await response.json()) as { token: string }; // as: Docker's token specification
  return token;
}
