import { isIP } from "node:net";
import type { Call } from "../../http/endpoint.ts";
import { type IpNetwork, isInNetworks } from "../../lib/ip-network.ts";
import type { BlobStore } from "../../storage/blob-store/blob-store.ts";
import type { LinkedBlob } from "./blob-cache.ts";

export const redirectModes = ["off", "external", "on"] as const;

/** Which pulls of blobs are sent to the object store. */
export interface RedirectPolicy {
  /** `external`: only clients whose address is in none of `internalNetworks`. */
  readonly mode: (typeof redirectModes)[number];
  readonly internalNetworks: readonly IpNetwork[];
  /** Smaller blobs are sent from here: a second round trip costs more than their bytes. */
  readonly minBytes: number;
  /** How long the address is good; a download that has begun goes on after that. */
  readonly lifetimeSeconds: number;
  /** Parts of `User-Agent`, in lower case, of clients that cannot follow. */
  readonly exceptAgents: readonly string[];
}

/**
 * The address where this client fetches the blob by itself; undefined when it is to be sent from here: by the policy, because the store has no
 * addresses, or because the blob lies in several pieces. The caller has decided that the client may read it. Whoever gets the address can read this
 * one blob until it expires, whatever becomes of their rights.
 */
export async function redirectBlob(
  deps: { readonly blobs: BlobStore; readonly redirect: RedirectPolicy | undefined },
  call: Pick<Call, "client">,
  blob: LinkedBlob,
  answer: { readonly contentType: string; readonly cacheControl: string },
): Promise<string | undefined> {
  const { blobs, redirect } = deps;
  if (redirect === undefined || !isRedirected(redirect, call, blob)) return undefined;
  return blobs.signUrl(blob.location, { expiresSeconds: redirect.lifetimeSeconds, ...answer });
}

function isRedirected(
  policy: RedirectPolicy,
  { client }: Pick<Call, "client">,
  blob: Pick<LinkedBlob, "sizeBytes">,
): boolean {
  if (policy.mode === "off" || blob.sizeBytes < policy.minBytes) return false;
  const agent = client?.userAgent?.toLowerCase() ?? "";
  if (policy.exceptAgents.some((part) => agent.includes(part))) return false;
  if (policy.mode === "on") return true;
  // Whose address is not known may well be a neighbour who reaches nothing but us.
  const address = client?.address;
  return address !== undefined && isIP(address) !== 0 && !isInNetworks(policy.internalNetworks, address);
}
