import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BlobServiceClient, StorageSharedKeyCredential } from "@azure/storage-blob";
import type { ObjectServer } from "./start-object-server.ts";

// The account that every Azurite has. https://learn.microsoft.com/azure/storage/common/storage-use-azurite
const account = "devstoreaccount1";
const accountKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

function program(): string {
  // oxlint-disable-next-line node/no-process-env -- where the install script puts things
  const cache = process.env["ENTREPOT_TEST_CACHE"] ?? join(tmpdir(), "entrepot-test-cache");
  return join(cache, "azurite/node_modules/azurite/dist/src/blob/main.js");
}

/** Why Azurite cannot be started here; undefined when it can. `test/object-storage/install-servers.sh` installs it. */
export function missingAzurite(): string | undefined {
  return existsSync(program())
    ? undefined
    : "azurite is not installed: test/object-storage/install-servers.sh";
}

/** Microsoft's emulator of Azure's blob service, with a container named `blobs`. */
export async function startAzurite(port: number): Promise<ObjectServer> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-azurite-"));
  const args = ["--blobHost", "127.0.0.1", "--blobPort", String(port), "--location", folder, "--silent"];
  const child = spawn(process.execPath, [program(), ...args, "--skipApiVersionCheck"], { stdio: "ignore" });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  const origin = `http://127.0.0.1:${port}/${account}`;
  try {
    const service = new BlobServiceClient(origin, new StorageSharedKeyCredential(account, accountKey), {
      retryOptions: { maxTries: 100, retryDelayInMs: 500, maxRetryDelayInMs: 1_000 },
    });
    await service.getContainerClient("blobs").createIfNotExists();
  } catch (error) {
    await stop();
    throw error;
  }
  return { origin, keys: { accessKey: account, secretKey: accountKey, sessionToken: undefined }, stop };
}
