import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import {
  type Content,
  digestOf,
  manifestOf,
  type RegistrySession,
  randomContent,
} from "./registry-session.ts";

/** What the server has acknowledged, and what it was asked for without an answer. */
export interface Ledger {
  readonly blobs: Map<string, { readonly repository: string; readonly content: Content }>;
  readonly manifests: Map<string, { readonly repository: string; readonly manifest: Content }>;
  /** Repository and tag → digests that may be seen: the last acknowledged one, and any asked for after it. */
  readonly tags: Map<string, { acknowledged: string | undefined; possible: Set<string> }>;
  readonly unanswered: Map<string, { readonly repository: string; readonly content: Content }>;
}

export interface PushOptions {
  /** Its number, which names its repository. */
  readonly pusher: number;
  readonly goesOn?: boolean;
  readonly largestBytes?: number;
}

export function openLedger(): Ledger {
  return { blobs: new Map(), manifests: new Map(), tags: new Map(), unanswered: new Map() };
}

/**
 * Pushes new content in every way there is until the signal, a blob of at most `largestBytes` at a time. Ends at the first request that is not answered
 * at all, or goes on with other content after a moment.
 */
export async function pushUntil(
  signal: AbortSignal,
  session: RegistrySession,
  ledger: Ledger,
  { pusher, goesOn = false, largestBytes = 2_000_000 }: PushOptions,
): Promise<void> {
  const repository = `crash/pusher${pusher}`;
  const ways = ["post", "put", "patch"] as const;
  for (let round = 0; !signal.aborted; round++) {
    try {
      const contents = [
        randomContent(200),
        randomContent(Math.floor(Math.random() ** 3 * largestBytes)),
      ] as const;
      for (const [index, content] of contents.entries()) {
        ledger.unanswered.set(content.digest, { repository, content });
        const way = ways[(round + index + pusher) % 3] ?? "post";
        if ((await session.pushBlob(repository, content, way)) !== 201) continue;
        ledger.blobs.set(content.digest, { repository, content });
        ledger.unanswered.delete(content.digest);
      }
      const manifest = manifestOf(contents[0], [contents[1]], `${pusher} ${round}`);
      const tag = `t${round % 3}`;
      const seen = ledger.tags.get(`${repository}:${tag}`) ?? {
        acknowledged: undefined,
        possible: new Set(),
      };
      ledger.tags.set(`${repository}:${tag}`, seen);
      seen.possible.add(manifest.digest);
      const before = seen.acknowledged;
      const status = await session.pushManifest(repository, tag, manifest);
      if (status !== 201) continue;
      ledger.manifests.set(manifest.digest, { repository, manifest });
      seen.acknowledged = manifest.digest;
      // What was never answered may still be under way where the server lives on, and comes when it comes; what was acknowledged before is gone for good.
      if (!goesOn) seen.possible.clear();
      else if (before !== undefined) seen.possible.delete(before);
      seen.possible.add(manifest.digest);
    } catch {
      // The server died in the middle: what it had not answered may or may not be there.
      if (!goesOn) return;
      await wait(100);
    }
  }
}

/** Everything acknowledged is there, whole; nothing else is there by half. Of blobs and manifests the newest `sample` are read. */
export async function verifyLedger(session: RegistrySession, ledger: Ledger, sample: number): Promise<void> {
  for (const [digest, { repository, content }] of [...ledger.blobs].slice(-sample)) {
    const response = await session.request("GET", `/v2/${repository}/blobs/${digest}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    assert.equal(
      response.status,
      200,
      `the acknowledged blob ${digest} of ${content.bytes.byteLength} bytes is there`,
    );
    assert.equal(digestOf(bytes), digest, "a digest never serves other bytes");
  }
  for (const [digest, { repository, manifest }] of [...ledger.manifests].slice(-sample)) {
    const response = await session.request("GET", `/v2/${repository}/manifests/${digest}`);
    assert.equal(response.status, 200, `the acknowledged manifest ${digest} is there`);
    assert.deepEqual(new Uint8Array(await response.arrayBuffer()), new Uint8Array(manifest.bytes));
  }
  for (const [digest, { repository }] of [...ledger.unanswered].slice(-sample)) {
    const response = await session.request("GET", `/v2/${repository}/blobs/${digest}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (response.status === 200) assert.equal(digestOf(bytes), digest, "a blob is whole or not there");
    else assert.equal(response.status, 404);
  }
  for (const [name, tag] of ledger.tags) {
    const [repository = "", reference = ""] = name.split(":");
    const response = await session.request("HEAD", `/v2/${repository}/manifests/${reference}`);
    const digest = response.headers.get("docker-content-digest");
    if (tag.acknowledged === undefined && response.status === 404) continue;
    assert.ok(
      digest !== null && tag.possible.has(digest),
      `${name} shows ${digest}, which nobody pushed last`,
    );
    tag.acknowledged = digest;
  }
}
