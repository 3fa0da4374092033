import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CliRun, runCli } from "./run-cli.ts";
import { administrator, type ServedRegistry, startServedRegistry } from "./served-registry.ts";

/** An Entrepôt, and the command signed in to it as somebody. */
export interface SignedInRegistry extends ServedRegistry {
  /** Gone with `stop`; docker's configuration is in it. */
  readonly folder: string;
  /** Runs the command against it. */
  run(...args: string[]): Promise<CliRun>;
  /** As `run`, with something on standard input. */
  runWith(input: string, ...args: string[]): Promise<CliRun>;
  /** What it prints, when it ends well. */
  text(...args: string[]): Promise<string>;
  /** The lines of `text`, with one space where a table has several. */
  lines(...args: string[]): Promise<readonly string[]>;
  /** Signed in as this one from now on. */
  signIn(username: string, password: string): Promise<void>;
  /** A user made by the administrator. */
  addUser(username: string, password: string): Promise<void>;
}

/** Starts one with the administrator signed in. */
export async function startSignedInRegistry(): Promise<SignedInRegistry> {
  const registry = await startServedRegistry();
  const folder = await mkdtemp(join(tmpdir(), "entrepot-signed-in-"));
  const environment = { DOCKER_CONFIG: folder, ENTREPOT_CLI_REGISTRY: registry.host };
  const basicOf = (username: string, password: string) =>
    Buffer.from(`${username}:${password}`).toString("base64");
  const runWith = (input: string, ...args: string[]) => runCli(args, environment, input);
  const text = async (...args: string[]) => {
    const done = await runWith("", ...args);
    assert.equal(done.code, 0, `${args.join(" ")}: ${done.stderr}`);
    return done.stdout;
  };
  const signIn = async (username: string, password: string) => {
    const auths = { [registry.host]: { auth: basicOf(username, password) } };
    await writeFile(join(folder, "config.json"), JSON.stringify({ auths }));
  };
  await signIn(administrator.username, administrator.password);
  return {
    ...registry,
    folder,
    run: (...args) => runWith("", ...args),
    runWith,
    text,
    async lines(...args) {
      const lines = (await text(...args)).trim().split("\n");
      return lines.map((line) => line.replace(/ +/g, " ").trimEnd());
    },
    signIn,
    async addUser(username, password) {
      const made = await fetch(`${registry.origin}/api/v1/users`, {
        method: "POST",
        headers: {
          authorization: `Basic ${basicOf(administrator.username, administrator.password)}`,
          "content-type": "application/json",
        },
        body: JSON.stringify({ username, password }),
      });
      assert.equal(made.status, 201);
    },
    async stop() {
      await rm(folder, { recursive: true, force: true });
      return registry.stop();
    },
  };
}
