import { failure, unsupported } from "../case-problem.ts";
import type { DataSet, Manifest } from "../data-sets/data-set.ts";
import { expectDigestHeader, expectLocation, expectReply } from "../expectations.ts";
import type { HeaderLine, HttpReply } from "../http-exchange.ts";
import { headerValues } from "../http-exchange.ts";
import { mediaTypes } from "../media-types.ts";
import type { ExchangeLog } from "../registry-client.ts";
import type { ResultGroup, Step } from "../results.ts";
import type { RunContext } from "../run-context.ts";

/** A manifest of a data set, as the subject of a case. */
export interface ManifestPlace {
  readonly run: RunContext;
  readonly group: ResultGroup;
  readonly dataSet: DataSet;
  readonly manifest: Manifest;
}

/** Clients name the types they understand in header lines of their own; a registry must look at all of them. */
export const manifestAccept: readonly HeaderLine[] = [
  ["Accept", mediaTypes.imageIndex],
  ["Accept", mediaTypes.imageManifest],
];

/**
 * PUT by digest. With tag parameters (draft, end-7b) every tag must come back in `OCI-Tag`; a registry that takes the
 * manifest but not the tags is a Skip. Resolves with the tags that were accepted this way.
 */
export async function pushManifestByDigestCase(place: ManifestPlace): Promise<readonly string[]> {
  const { dataSet, manifest } = place;
  const tags = dataSet.pushesTagsByParameter
    ? dataSet.tags.filter((tag) => tag.digest === manifest.digest).map((tag) => tag.name)
    : [];
  let accepted: readonly string[] = [];
  await runManifestCase(place, "manifest-by-digest", manifest.digest, "push", async (log) => {
    const reply = await putManifest(place, manifest.digest, tags, log);
    accepted = tags.filter((tag) => listedTags(reply).includes(tag));
    const missing = tags.filter((tag) => !accepted.includes(tag));
    if (missing.length > 0) throw unsupported(`OCI-Tag does not name ${missing.join(", ")}`);
  });
  return accepted;
}

/** PUT by tag. Resolves with true on a Pass. */
export function pushManifestByTagCase(place: ManifestPlace, tag: string): Promise<boolean> {
  return runManifestCase(place, "manifest-by-tag", tag, "push", async (log) => {
    await putManifest(place, tag, [], log);
  });
}

/** HEAD by tag or digest of a manifest that is there. */
export function headManifestCase(
  place: ManifestPlace,
  by: "tag" | "digest",
  reference: string,
): Promise<boolean> {
  return runManifestCase(place, `manifest-head-by-${by}`, reference, "pull", (log) =>
    readManifest(place, "HEAD", reference, new Uint8Array(), log),
  );
}

/** GET by tag or digest of a manifest that is there. */
export function getManifestCase(
  place: ManifestPlace,
  by: "tag" | "digest",
  reference: string,
): Promise<boolean> {
  return runManifestCase(place, `manifest-by-${by}`, reference, "pull", (log) =>
    readManifest(place, "GET", reference, place.manifest.bytes, log),
  );
}

/** DELETE by tag or digest of a manifest, which may be gone already, and the 404 right after it: two outcomes. */
export function deleteManifestCase(
  place: ManifestPlace,
  by: "tag" | "digest",
  reference: string,
): Promise<boolean> {
  const url = manifestUrl(place.run, reference);
  const remove: Step = async (log) => {
    const reply = await place.run.client.send({ method: "DELETE", url }, log);
    // distribution-spec, "Deleting tags" and "Deleting manifests": 400 and 405 say that deletion is switched off.
    if (reply.status === 400 || reply.status === 405)
      throw unsupported(`the delete was answered ${reply.status}`);
    expectReply(reply, { status: [202, 404] });
  };
  const isGone: Step = async (log) => {
    const reply = await place.run.client.send({ method: "HEAD", url, headers: manifestAccept }, log);
    expectReply(reply, { status: [404] });
  };
  const name = by === "tag" ? "tag-delete" : "manifest-delete";
  return runManifestCase(place, name, reference, "management", remove, isGone);
}

/** The address of a manifest in the repository that receives every push. */
export function manifestUrl(run: RunContext, reference: string): URL {
  return run.client.urlOf(`${run.repository}/manifests/${reference}`);
}

/** Sends the manifest as a stream without `Content-Length`, as clients do that sign or convert on the fly. */
export function sendManifest(
  place: Pick<ManifestPlace, "run" | "manifest">,
  url: URL,
  log: ExchangeLog,
): Promise<HttpReply> {
  const { bytes, mediaType } = place.manifest;
  const headers = [["Content-Type", mediaType]] as const;
  return place.run.client.send({ method: "PUT", url, headers, body: bytes, framing: "chunked" }, log);
}

async function putManifest(
  place: ManifestPlace,
  reference: string,
  tags: readonly string[],
  log: ExchangeLog,
): Promise<HttpReply> {
  const { manifest } = place;
  const url = manifestUrl(place.run, reference);
  for (const tag of tags) url.searchParams.append("tag", tag);
  const reply = await sendManifest(place, url, log);
  if (place.dataSet.hasWrongDigests) {
    expectReply(reply, { status: [400] });
    return reply;
  }
  // distribution-spec, "Pushing Manifests with Subject": its absence tells clients to maintain the referrers tag.
  const headers = manifest.subject === undefined ? {} : { "OCI-Subject": manifest.subject };
  expectReply(reply, { status: [201], headers });
  expectDigestHeader(reply, manifest.digest, false);
  await expectPullable(place, expectLocation(reply, url), log);
  return reply;
}

async function expectPullable(place: ManifestPlace, location: URL, log: ExchangeLog): Promise<void> {
  const reply = await place.run.client.send({ method: "GET", url: location, headers: manifestAccept }, log);
  try {
    expectReply(reply, {
      status: [200],
      headers: contentHeaders(place.manifest),
      body: place.manifest.bytes,
    });
  } catch (cause) {
    throw failure(`the returned Location is not pullable: ${cause instanceof Error ? cause.message : ""}`, {
      cause,
    });
  }
}

async function readManifest(
  place: ManifestPlace,
  method: "HEAD" | "GET",
  reference: string,
  body: Uint8Array,
  log: ExchangeLog,
): Promise<void> {
  const url = manifestUrl(place.run, reference);
  const reply = await place.run.client.send({ method, url, headers: manifestAccept }, log);
  expectReply(reply, { status: [200], headers: contentHeaders(place.manifest), body });
  expectDigestHeader(reply, place.manifest.digest, place.run.profile.requiresDigestHeader);
}

function contentHeaders(manifest: Manifest): Readonly<Record<string, string>> {
  return { "Content-Type": manifest.mediaType, "Content-Length": String(manifest.bytes.length) };
}

/** `OCI-Tag` may be repeated or hold a list separated by commas. */
function listedTags(reply: HttpReply): readonly string[] {
  return headerValues(reply, "OCI-Tag").flatMap((value) => value.split(",").map((tag) => tag.trim()));
}

function runManifestCase(
  place: ManifestPlace,
  name: string,
  subject: string,
  category: "pull" | "push" | "management",
  ...steps: readonly Step[]
): Promise<boolean> {
  return place.group.runCase({ name, subject, category }, ...steps);
}
