import { setTimeout as wait } from "node:timers/promises";
import { contentOf, manifestOf, type RegistrySession, randomContent } from "../support/registry-session.ts";

/** Tries until a push is taken and given back, at most so long; `startedAt` is of `performance.now()`. */
export async function untilItWorks(
  session: RegistrySession,
  repository: string,
  startedAt: number,
  giveUpMs: number,
): Promise<void> {
  for (;;) {
    try {
      const config = contentOf(Buffer.from("{}"));
      const layer = randomContent(50_000);
      const manifest = manifestOf(config, [layer]);
      const isThere =
        (await session.pushBlob(repository, config, "post")) === 201 &&
        (await session.pushBlob(repository, layer, "patch")) === 201 &&
        (await session.pushManifest(repository, "latest", manifest)) === 201 &&
        (await session.request("HEAD", `/v2/${repository}/manifests/latest`)).ok;
      if (isThere) return;
    } catch {
      // Not yet.
    }
    if (performance.now() - startedAt > giveUpMs) return;
    await wait(100);
  }
}
