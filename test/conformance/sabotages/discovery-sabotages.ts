import { Buffer } from "node:buffer";
import { arrayOf, parseJson, propertyOf } from "../json-value.ts";
import type { RegistryReply } from "../reference-registry/registry-message.ts";
import { jsonReply } from "../reference-registry/registry-message.ts";
import type { SabotageCase } from "./sabotage-case.ts";
import { answerInstead, changeReplies, endpointOf, withHeaders, withoutHeaders } from "./sabotage-case.ts";

const severalTags = /^(artifacts-with-subject|index-with-subject|sparse|tag-param-sha\d+)\/tag-list$/;

/** Faults in listing tags and referrers. */
export const discoverySabotages: readonly SabotageCase[] = [
  {
    name: "ignores last when it lists tags",
    sabotage: (request, next) => {
      return next(
        endpointOf(request.path) === "tags" ? { ...request, query: new URLSearchParams() } : request,
      );
    },
    fails: [severalTags],
    failCount: 5,
  },
  {
    name: "lists last itself, too",
    sabotage: changeReplies(
      (request) => request.query.has("last"),
      (reply, request) => changeList(reply, "tags", (tags) => [request.query.get("last"), ...tags]),
    ),
    fails: [severalTags],
    failCount: 5,
  },
  {
    name: "forgets the last tag of the list",
    sabotage: changeReplies(
      (request) => endpointOf(request.path) === "tags" && !request.query.has("last"),
      (reply) => changeList(reply, "tags", (tags) => tags.slice(0, -1)),
    ),
    // Where nothing is tagged there is nothing to forget.
    fails: [/^(?!bad-digest-image|sha512).*\/tag-list$/],
    failCount: 19,
  },
  {
    name: "answers null instead of an empty list of tags",
    sabotage: changeReplies(
      (request) => endpointOf(request.path) === "tags",
      (reply, request) =>
        listOf(reply, "tags").length > 0 ? reply : jsonReply(200, { name: nameOf(request.path), tags: null }),
    ),
    fails: [/^empty\/tag list$/, /^(sha512|bad-digest-image)\/tag-list$/],
    failCount: 3,
  },
  {
    name: "answers 404 when there are no referrers",
    sabotage: changeReplies(
      (request, reply) => endpointOf(request.path) === "referrers" && listOf(reply, "manifests").length === 0,
      () => ({ status: 404 }),
    ),
    fails: [/^empty\/referrers$/],
    failCount: 1,
  },
  {
    name: "has no referrers API",
    sabotage: answerInstead(({ path }) => endpointOf(path) === "referrers", { status: 404 }),
    fails: [/\/referrers$/],
    failCount: 4,
  },
  {
    name: "sends referrers as plain JSON",
    sabotage: changeReplies(
      (request) => endpointOf(request.path) === "referrers",
      (reply) => withHeaders(reply, { "Content-Type": "application/json" }),
    ),
    fails: [/\/referrers$/],
    failCount: 4,
  },
  {
    name: "leaves annotations out of referrers",
    sabotage: changeReplies(
      (request) => endpointOf(request.path) === "referrers",
      (reply) => changeReferrers(reply, { annotations: undefined }),
    ),
    fails: [/-subject\/referrers$/],
    failCount: 3,
  },
  {
    name: "leaves artifactType out of referrers",
    sabotage: changeReplies(
      (request) => endpointOf(request.path) === "referrers",
      (reply) => changeReferrers(reply, { artifactType: undefined }),
    ),
    fails: [/-subject\/referrers$/],
    failCount: 3,
  },
  {
    name: "says that it filters referrers and does not",
    sabotage: (request, next) => {
      const isFiltered = endpointOf(request.path) === "referrers" && request.query.has("artifactType");
      if (!isFiltered) return next(request);
      return withHeaders(next({ ...request, query: new URLSearchParams() }), {
        "OCI-Filters-Applied": "artifactType",
      });
    },
    // The other two data sets have referrers of one type only.
    fails: [/^artifacts-with-subject\/referrers$/],
    failCount: 1,
  },
  {
    name: "does not filter referrers",
    sabotage: (request, next) => {
      return next(
        endpointOf(request.path) === "referrers" ? { ...request, query: new URLSearchParams() } : request,
      );
    },
    fails: [],
    failCount: 0,
    skipCount: 3,
  },
  {
    name: "filters referrers without saying so",
    sabotage: changeReplies(
      (request) => endpointOf(request.path) === "referrers",
      (reply) => withoutHeaders(reply, "OCI-Filters-Applied"),
    ),
    // Without the header the whole list is expected; the two sets with a single type are only a Skip.
    fails: [/^artifacts-with-subject\/referrers$/],
    failCount: 1,
    skipCount: 2,
  },
  {
    name: "answers 500 to the ping",
    sabotage: answerInstead(({ path }) => path === "/v2/", { status: 500 }),
    fails: [/^ping$/],
    failCount: 1,
  },
];

function listOf(reply: RegistryReply, name: string): readonly unknown[] {
  return arrayOf(propertyOf(parseJson(reply.body ?? Buffer.alloc(0)), name)) ?? [];
}

function changeList(
  reply: RegistryReply,
  name: string,
  change: (list: readonly unknown[]) => readonly unknown[],
): RegistryReply {
  const value = parseJson(reply.body ?? Buffer.alloc(0));
  const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
  const changed = { ...Object.fromEntries(entries), [name]: change(listOf(reply, name)) };
  return { ...reply, body: Buffer.from(JSON.stringify(changed)) };
}

function changeReferrers(reply: RegistryReply, fields: Readonly<Record<string, unknown>>): RegistryReply {
  return changeList(reply, "manifests", (manifests) =>
    manifests.map((entry) => Object.assign({}, entry, fields)),
  );
}

function nameOf(path: string): string {
  return path.replace(/^\/v2\//, "").replace(/\/tags\/list$/, "");
}
