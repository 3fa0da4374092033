import { isObject } from "@entrepot/oci/json-object";
import { parseNextLink } from "@entrepot/oci/link-header";
import { quoted } from "@entrepot/oci/oci-error";
import type { RepositoryName } from "@entrepot/oci/repository-name";
import { readJson } from "./read-body.ts";
import { RegistryError } from "./registry-error.ts";
import { type RegistrySession, repositoryScope, type SessionRequest } from "./registry-session.ts";

/** A registry that answers the same page for ever must not hold a client for ever. */
const maxPages = 100_000;

/**
 * The pages of a listing, as JSON. The next one is asked for when the consumer wants it. `BAD_ANSWER` when a page names itself as the next.
 */
export async function* listPages(
  session: RegistrySession,
  request: SessionRequest,
): AsyncGenerator<unknown, void, undefined> {
  let target = session.resolve(String(request.target));
  for (let page = 0; page < maxPages; page++) {
    const response = await session.request({ ...request, target });
    const json = await readJson(response, `the answer of ${session.origin.host}`);
    yield json;
    const link = parseNextLink(response.header("link") ?? null);
    if (link === undefined) return;
    const next = session.resolve(link, target);
    if (next.href === target.href) break;
    target = next;
  }
  throw new RegistryError(`cannot ${request.what} at ${session.origin.host}: its pages do not end`, {
    code: "BAD_ANSWER",
  });
}

/** Tags of a repository in the registry's order. 404 when there is no such repository. */
export async function* listTags(
  session: RegistrySession,
  repository: RepositoryName,
  signal?: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const pages = listPages(session, {
    method: "GET",
    target: `/v2/${repository}/tags/list?n=1000`,
    scopes: [repositoryScope(repository, ["pull"])],
    what: `list the tags of ${repository}`,
    accept: [200],
    signal,
  });
  for await (const json of pages) yield* strings(json, "tags", session);
}

/** Repositories that the caller may read, in the registry's order. */
export async function* listRepositories(
  session: RegistrySession,
  signal?: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const pages = listPages(session, {
    method: "GET",
    target: "/v2/_catalog?n=1000",
    scopes: [{ type: "registry", name: "catalog", actions: ["*"] }],
    what: "list the repositories",
    accept: [200],
    signal,
  });
  for await (const json of pages) yield* strings(json, "repositories", session);
}

function strings(json: unknown, field: string, session: RegistrySession): readonly string[] {
  const value = isObject(json) ? json[field] : undefined;
  // distribution 2 sends null for a repository without tags.
  if (value === null) return [];
  if (!Array.isArray(value) || !value.every((entry) => typeof entry === "string")) {
    throw new RegistryError(`${session.origin.host} answered without a list of ${quoted(field)}`, {
      code: "BAD_ANSWER",
    });
  }
  return value;
}
