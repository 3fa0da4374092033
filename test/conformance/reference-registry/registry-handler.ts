import { answerBlob, answerNewUpload, answerUpload } from "./blob-endpoints.ts";
import { ContentStore } from "./content-store.ts";
import { answerManifest, answerReferrers, answerTagList } from "./manifest-endpoints.ts";
import type { Handler } from "./registry-message.ts";
import { errorReply, jsonReply } from "./registry-message.ts";

/** A whole registry as one function over a store of its own. */
export function createRegistryHandler(): Handler {
  const store = new ContentStore();
  return (request) => {
    if (request.path === "/v2/") return jsonReply(200, {});
    // Greedy, because a repository name may itself have a component called "blobs" or "manifests".
    const route = /^\/v2\/(.+)\/(blobs\/uploads|blobs|manifests|tags|referrers)\/([^/]*)$/.exec(request.path);
    const [, name, kind, rest] = route ?? [];
    if (name === undefined || rest === undefined) return errorReply(404, "NAME_INVALID");
    const argument = decodeURIComponent(rest);
    switch (kind) {
      case "blobs/uploads":
        return argument === ""
          ? answerNewUpload(store, name, request)
          : answerUpload(store, name, argument, request);
      case "blobs":
        return answerBlob(store, name, argument, request);
      case "manifests":
        return answerManifest(store, name, argument, request);
      case "tags":
        return answerTagList(store, name, request);
      case "referrers":
        return answerReferrers(store, name, argument, request);
      case undefined:
      default:
        return errorReply(404, "NAME_INVALID");
    }
  };
}
