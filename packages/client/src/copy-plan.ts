import type { Descriptor } from "@entrepot/oci/descriptor";
import type { Digest } from "@entrepot/oci/digest";
import { type ParsedManifest, parseManifest } from "@entrepot/oci/manifest";
import {
  isImageManifestMediaType,
  isIndexMediaType,
  isNondistributableMediaType,
} from "@entrepot/oci/media-types";
import { quoted } from "@entrepot/oci/oci-error";
import type { Reference } from "@entrepot/oci/reference";
import type { TagName } from "@entrepot/oci/tag-name";
import type { CopyImageOptions } from "./copy-options.ts";
import { isNotFound, RegistryError } from "./registry-error.ts";

/** One manifest to copy. */
export interface CopyNode {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly subject: Digest | undefined;
  readonly artifactType: string | undefined;
  readonly annotations: Readonly<Record<string, string>>;
  /** Beyond those that the caller asked for; the root has none. */
  readonly tags: readonly TagName[];
}

export interface CopyPlan {
  /** What the tags will point to. */
  readonly root: CopyNode;
  /** In the order to push them: contents before what names them, referrers behind the root. */
  readonly nodes: readonly CopyNode[];
  /** Each digest once. */
  readonly blobs: readonly { readonly blob: Descriptor }[];
}

/** An index that names more is rather an attack than an image. */
const maxManifests = 20_000;
const maxDepth = 16;
const maxManifestBytes = 268_435_456;

/**
 * Reads every manifest that belongs to the copy; changes nothing. Children of an index that the source does not have (a sparse index) are left
 * out: whether the target takes it so is its decision.
 */
export async function planCopy(options: CopyImageOptions): Promise<CopyPlan> {
  const nodes = new Map<Digest, CopyNode>();
  const blobs = new Map<Digest, Descriptor>();
  const { client, repository } = options.source;
  const { signal } = options;
  let heldBytes = 0;

  async function fetchNode(reference: Reference): Promise<{ node: CopyNode; parsed: ParsedManifest }> {
    const { mediaType, bytes, digest } = await client.getManifest({ repository, reference, signal });
    const parsed = parseManifest(bytes, mediaType);
    const node: CopyNode = {
      digest,
      mediaType,
      bytes,
      subject: parsed.subject?.digest,
      artifactType: parsed.artifactType,
      annotations: parsed.annotations,
      tags: [],
    };
    return { node, parsed };
  }

  async function add(reference: Reference, depth: number): Promise<CopyNode | undefined> {
    const known = reference.kind === "digest" ? nodes.get(reference.digest) : undefined;
    if (known !== undefined) return known;
    const { node, parsed } = await fetchNode(reference);
    await addContents(parsed, depth);
    if (nodes.size >= maxManifests) throw tooMuch(`more than ${maxManifests} manifests`);
    heldBytes += node.bytes.byteLength;
    if (heldBytes > maxManifestBytes) throw tooMuch(`more than ${maxManifestBytes} bytes of manifests`);
    nodes.set(node.digest, node);
    return node;
  }

  async function addContents(parsed: ParsedManifest, depth: number): Promise<void> {
    if (depth > maxDepth) throw tooMuch(`more than ${maxDepth} levels of indexes`);
    for (const blob of [...(parsed.config ? [parsed.config] : []), ...parsed.layers]) {
      if (!isNondistributableMediaType(blob.mediaType)) blobs.set(blob.digest, blob);
    }
    for (const child of parsed.manifests) {
      // BuildKit's cache is an index whose entries are layers.
      const isManifest = isIndexMediaType(child.mediaType) || isImageManifestMediaType(child.mediaType);
      if (isManifest) await addChild(child, depth + 1);
      else blobs.set(child.digest, child);
    }
  }

  async function addChild(child: Descriptor, depth: number): Promise<void> {
    try {
      await add({ kind: "digest", digest: child.digest }, depth);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  async function addReferrers(): Promise<void> {
    const waiting = [...nodes.keys()];
    const asked = new Set<Digest>();
    for (let subject = waiting.shift(); subject !== undefined; subject = waiting.shift()) {
      if (asked.has(subject)) continue;
      asked.add(subject);
      const before = nodes.size;
      for await (const referrer of client.listReferrers({ repository, subject, signal })) {
        await add({ kind: "digest", digest: referrer.digest }, 0);
      }
      waiting.push(...[...nodes.keys()].slice(before));
    }
  }

  const reference = await chooseRoot(options);
  const root = await add(reference, 0);
  if (root === undefined) throw new Error("a root that is not there throws");
  if (options.withReferrers === true) await addReferrers();
  return { root, nodes: [...nodes.values()], blobs: [...blobs.values()].map((blob) => ({ blob })) };
}

function tooMuch(what: string): RegistryError {
  return new RegistryError(`the image has ${what}; that is not copied`, { code: "MANIFEST_INVALID" });
}

/** The manifest itself, or the one for the wanted platform in it. */
async function chooseRoot(options: CopyImageOptions): Promise<Reference> {
  const { client, repository, reference } = options.source;
  const { platform, signal } = options;
  if (platform === undefined) return reference;
  const { bytes, mediaType } = await client.getManifest({ repository, reference, signal });
  const parsed = parseManifest(bytes, mediaType);
  if (parsed.kind !== "index") return reference;
  const found = parsed.manifests.find((entry) => isPlatform(entry, platform));
  if (found !== undefined) return { kind: "digest", digest: found.digest };
  const offered = parsed.manifests.map(platformText).filter((text) => text !== undefined);
  throw new RegistryError(
    `there is no image for ${quoted(platform)}; there are: ${[...new Set(offered)].join(", ") || "none with a platform"}`,
    { code: "MANIFEST_UNKNOWN" },
  );
}

/** `os/architecture[/variant]`; undefined for entries that are no image of a platform, such as attestations. */
export function platformText(entry: Descriptor): string | undefined {
  const { platform } = entry;
  if (platform === undefined || platform.os === "" || platform.os === "unknown") return undefined;
  const variant = platform.variant === undefined || platform.variant === "" ? "" : `/${platform.variant}`;
  return `${platform.os}/${platform.architecture}${variant}`;
}

/** Without a variant, any one will do: the first entry is taken. */
function isPlatform(entry: Descriptor, wanted: string): boolean {
  const text = platformText(entry);
  return text !== undefined && (text === wanted || text.startsWith(`${wanted}/`));
}
