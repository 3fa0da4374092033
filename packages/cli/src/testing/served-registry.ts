import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnCli } from "./run-cli.ts";

/** An Entrepôt run by `entrepot serve`. */
export interface ServedRegistry {
  readonly host: string;
  readonly origin: string;
  /** Settings for commands that work on its database. */
  readonly environment: Readonly<Record<string, string>>;
  /** Ends it as an operator does; its exit code. Removes its folder. */
  stop(): Promise<number | null>;
}

export const administrator = { username: "admin", password: "correct-horse-battery" } as const;
const startLimitMs = 120_000;

/** Starts one on a free port with a folder of its own. */
export async function startServedRegistry(): Promise<ServedRegistry> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-cli-"));
  const environment = {
    ENTREPOT_HOST: "127.0.0.1",
    ENTREPOT_PORT: "0",
    ENTREPOT_DATA_DIR: join(folder, "data"),
    ENTREPOT_ADMIN_USERNAME: administrator.username,
    ENTREPOT_ADMIN_PASSWORD: administrator.password,
    ENTREPOT_LOG_LEVEL: "warn",
  };
  const child = spawnCli(["serve"], environment);
  let printed = "";
  const host = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`serve does not come up: ${printed}`));
    }, startLimitMs);
    const read = (text: string) => {
      printed += text;
      const [, found] = /http:\/\/(127\.0\.0\.1:\d+)/.exec(printed) ?? [];
      if (found === undefined) return;
      clearTimeout(timer);
      resolve(found);
    };
    child.stdout.setEncoding("utf8").on("data", read);
    child.stderr.setEncoding("utf8").on("data", read);
    child.on("exit", () => reject(new Error(`serve ended: ${printed}`)));
  });
  return {
    host,
    origin: `http://${host}`,
    environment,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = once(child, "exit");
        child.kill("SIGTERM");
        await gone;
      }
      await rm(folder, { recursive: true, force: true });
      return child.exitCode;
    },
  };
}
