import type { Sabotage } from "../reference-registry/reference-registry.ts";
import type { RegistryReply, RegistryRequest } from "../reference-registry/registry-message.ts";

/** A fault that is put into a correct registry, and what the suite has to make of it. */
export interface SabotageCase {
  /** What the registry does wrong, or does not support. */
  readonly name: string;
  readonly sabotage: Sabotage;
  /** All cases whose path, or path and subject, matches one of these must be FAIL. */
  readonly fails: readonly RegExp[];
  /** Some of the cases that match one of these must be FAIL; which ones, their names cannot tell. Default: none. */
  readonly failsInPart?: readonly RegExp[];
  /** How many cases must be FAIL in all; no others may. */
  readonly failCount: number;
  /** How many results must be Skip. Default: none. */
  readonly skipCount?: number;
}

/** Which endpoint a path belongs to; `undefined` for `/v2/`. */
export function endpointOf(
  path: string,
): "uploads" | "blobs" | "manifests" | "tags" | "referrers" | undefined {
  const kinds = ["uploads", "blobs", "manifests", "tags", "referrers"] as const;
  if (path.includes("/blobs/uploads/")) return "uploads";
  return kinds.find((kind) => new RegExp(`/${kind}/[^/]*$`).test(path));
}

/** A sabotage that changes some replies and leaves the others alone. */
export function changeReplies(
  isConcerned: (request: RegistryRequest, reply: RegistryReply) => boolean,
  change: (reply: RegistryReply, request: RegistryRequest) => RegistryReply,
): Sabotage {
  return (request, next) => {
    const reply = next(request);
    return isConcerned(request, reply) ? change(reply, request) : reply;
  };
}

/** A sabotage that answers some requests itself; the registry never sees them. */
export function answerInstead(
  isConcerned: (request: RegistryRequest) => boolean,
  reply: RegistryReply,
): Sabotage {
  return (request, next) => (isConcerned(request) ? reply : next(request));
}

/** The reply with other or more headers. */
export function withHeaders(reply: RegistryReply, headers: Readonly<Record<string, string>>): RegistryReply {
  return { ...reply, headers: { ...reply.headers, ...headers } };
}

/** The reply without some headers. */
export function withoutHeaders(reply: RegistryReply, ...names: readonly string[]): RegistryReply {
  const kept = Object.entries(reply.headers ?? {}).filter(([name]) => !names.includes(name));
  return { ...reply, headers: Object.fromEntries(kept) };
}

/** A sabotage that answers deletes of one kind without deleting anything. */
export function changeDeletes(
  endpoint: "blobs" | "manifests",
  status: number,
  isConcerned: (path: string) => boolean = () => true,
): Sabotage {
  return (request, next) => {
    const { method, path } = request;
    if (method !== "DELETE" || endpointOf(path) !== endpoint || !isConcerned(path)) return next(request);
    // What is not there is still answered with 404, as the registry would.
    const isThere = next({ ...request, method: "HEAD" }).status === 200;
    return isThere || status !== 202 ? { status } : { status: 404 };
  };
}
