import { randomBytes } from "node:crypto";
import { digestOf } from "@entrepot/client/content-hash";
import type { RegistryClient } from "@entrepot/client/registry-client";
import { RegistryError } from "@entrepot/client/registry-error";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import { type Finding, look } from "./finding.ts";

const probeBytes = 4_096;
/** Token lifetimes begin at a minute. */
const maxClockSkewSeconds = 30;

/**
 * Looks at a registry as its clients see it. With `pushTo` a random blob of 4 KiB is pushed there, read back and deleted. Never throws but for an
 * abort; a registry that does not answer is one finding, and the rest is not tried.
 */
export async function checkRegistry(
  client: RegistryClient,
  pushTo: RepositoryName | undefined,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { host } = client.origin;
  let timeMs: number | undefined;
  const answer = await look("registry", async () => {
    const greeting = await client.ping(signal);
    const { tokenService } = greeting;
    timeMs = greeting.timeMs;
    const by =
      tokenService === undefined ? "" : `, with tokens of ${tokenService.origin}${tokenService.pathname}`;
    return `${host} answers and takes these credentials${by}`;
  });
  signal.throwIfAborted();
  if (!answer.ok) return [answer];
  const clock = await look("clock", async () => compareClocks(timeMs, new Date().getTime()));
  const findings = [answer, clock, await look("catalog", async () => checkCatalog(client, signal))];
  if (pushTo !== undefined)
    findings.push(await look("push and pull", async () => checkBlob(client, pushTo, signal)));
  signal.throwIfAborted();
  return findings;
}

/** Throws when two clocks differ so much that tokens would be refused as expired or not valid yet. */
export function compareClocks(registryMs: number | undefined, ownMs: number): string {
  if (registryMs === undefined) return "the registry does not tell the time";
  const apartSeconds = Math.round(Math.abs(registryMs - ownMs) / 1_000);
  const text = `the registry's clock and this one are ${apartSeconds} s apart`;
  if (apartSeconds > maxClockSkewSeconds) throw new Error(`${text}, more than ${maxClockSkewSeconds} s`);
  return text;
}

async function checkCatalog(client: RegistryClient, signal: AbortSignal): Promise<string> {
  const names = client.listRepositories(signal);
  try {
    const first = await names.next();
    return first.done === true
      ? "there is no repository that these credentials may read"
      : "repositories can be listed";
  } catch (error) {
    // Many registries have no catalog, or not for everybody; clients do without.
    const isRefusal = error instanceof RegistryError && [401, 403, 404, 405].includes(error.status ?? 0);
    if (isRefusal)
      return "repositories cannot be listed with these credentials, which pushes and pulls do not need";
    throw error;
  } finally {
    await names.return();
  }
}

async function checkBlob(
  client: RegistryClient,
  repository: RepositoryName,
  signal: AbortSignal,
): Promise<string> {
  const bytes = randomBytes(probeBytes);
  const digest = digestOf(bytes);
  await client.uploadBlob(
    { digest, sizeBytes: bytes.byteLength, open: async (fromByte) => piece(bytes.subarray(fromByte)) },
    { repository, signal },
  );
  const { chunks } = await client.getBlob({ repository, digest, signal });
  let readBytes = 0;
  for await (const chunk of chunks) readBytes += chunk.byteLength;
  const done = `${readBytes} bytes were pushed to ${repository} and read back unchanged`;
  try {
    await client.deleteBlob({ repository, digest, signal });
    return `${done}, then deleted`;
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    return `${done}; the registry does not let them be deleted, so garbage collection has to take them`;
  }
}

async function* piece(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
