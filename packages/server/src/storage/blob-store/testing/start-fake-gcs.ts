import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

function program(): string {
  // oxlint-disable-next-line node/no-process-env -- where the install script puts things
  const cache = process.env["ENTREPOT_TEST_CACHE"] ?? join(tmpdir(), "entrepot-test-cache");
  return join(cache, "bin/fake-gcs-server");
}

/** Why it cannot be started here; undefined when it can. `test/object-storage/install-servers.sh` installs it, where there is Go. */
export function missingFakeGcs(): string | undefined {
  return existsSync(program())
    ? undefined
    : "fake-gcs-server is not installed: test/object-storage/install-servers.sh, which needs Go";
}

/** A server of others that speaks the JSON API, in memory, with a bucket named `blobs`. It looks at no token. */
export async function startFakeGcs(
  port: number,
): Promise<{ readonly origin: string; stop(): Promise<void> }> {
  const origin = `http://127.0.0.1:${port}`;
  const place = ["-scheme", "http", "-host", "127.0.0.1", "-port", String(port), "-external-url", origin];
  const child = spawn(program(), [...place, "-backend", "memory", "-public-host", `127.0.0.1:${port}`], {
    stdio: "ignore",
  });
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  };
  for (let attempt = 0; attempt < 600; attempt++) {
    try {
      const made = await fetch(`${origin}/storage/v1/b?project=test`, {
        method: "POST",
        body: JSON.stringify({ name: "blobs" }),
      });
      await made.arrayBuffer();
      if (made.ok) return { origin, stop };
    } catch {
      // Not listening yet.
    }
    await pause(100);
  }
  await stop();
  throw new Error("fake-gcs-server did not become ready");
}
