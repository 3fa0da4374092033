import type { Descriptor } from "@entrepot/oci/descriptor";
import type { TagName } from "@entrepot/oci/tag-name";
import { type CopyBlobContext, copyBlobs } from "./copy-blobs.ts";
import type { CopyImageOptions, CopyResult } from "./copy-options.ts";
import { type CopyNode, planCopy } from "./copy-plan.ts";
import { pushReferrersTag } from "./push-referrers-tag.ts";

/**
 * Copies an image, an index with everything in it or any artifact from one repository to another, byte by byte, so digests stay. Blobs that the
 * target has are not sent; within one registry they are mounted. Contents go before the manifests that name them and tags come last, so a copy
 * that breaks leaves nothing half visible, and running it again goes on where it stopped. Layers that are never pushed (nondistributable ones)
 * are left out, as every client does.
 */
export async function copyImage(options: CopyImageOptions): Promise<CopyResult> {
  const { source, target, onEvent } = options;
  const plan = await planCopy(options);
  const totalBytes = plan.blobs.reduce((sum, { blob }) => sum + blob.size, 0);
  onEvent?.({ kind: "planned", manifests: plan.nodes.length, blobs: plan.blobs.length, totalBytes });

  const context: CopyBlobContext = {
    source,
    target,
    // A mount needs one registry that knows one caller; two clients of one origin may be two people, then it answers 202 and the blob is sent.
    canMount: source.client.origin.origin === target.client.origin.origin,
    concurrency: options.concurrency ?? 4,
    ...(options.chunkBytes !== undefined && { chunkBytes: options.chunkBytes }),
    ...(onEvent && { onEvent }),
    ...(options.signal && { signal: options.signal }),
  };
  const counts = await copyBlobs(
    context,
    plan.blobs.map(({ blob }) => blob),
  );

  for (const node of plan.nodes) {
    const tags = node === plan.root ? target.tags : node.tags;
    await pushNode(options, node, tags);
    onEvent?.({ kind: "manifest", digest: node.digest, mediaType: node.mediaType });
  }
  return {
    digest: plan.root.digest,
    mediaType: plan.root.mediaType,
    manifests: plan.nodes.length,
    blobs: { sent: counts.sent, mounted: counts.mounted, present: counts.present },
    sentBytes: counts.sentBytes,
  };
}

async function pushNode(options: CopyImageOptions, node: CopyNode, tags: readonly TagName[]): Promise<void> {
  const { client, repository } = options.target;
  const { mediaType, bytes, digest } = node;
  const { signal } = options;
  const { handlesSubject } = await client.putManifest({ repository, mediaType, bytes, digest, tags, signal });
  if (node.subject === undefined || handlesSubject) return;
  // distribution-spec, "Pushing Manifests with Subject": without OCI-Subject in the answer the client keeps the list itself.
  const referrer: Descriptor = {
    mediaType,
    digest,
    size: bytes.byteLength,
    ...(node.artifactType !== undefined && { artifactType: node.artifactType }),
    ...(Object.keys(node.annotations).length > 0 && { annotations: node.annotations }),
  };
  await pushReferrersTag(client, { repository, subject: node.subject, referrer, signal });
}
