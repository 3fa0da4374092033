import { failure, unsupported } from "../case-problem.ts";
import { contentDigest } from "../content-digest.ts";
import type { DataSet, Referrer } from "../data-sets/data-set.ts";
import { randomText } from "../data-sets/data-set-builder.ts";
import { expectReply } from "../expectations.ts";
import type { HttpReply } from "../http-exchange.ts";
import { headerValues } from "../http-exchange.ts";
import { arrayOf, parseJson, propertyOf } from "../json-value.ts";
import { mediaTypes } from "../media-types.ts";
import type { ExchangeLog } from "../registry-client.ts";
import type { ResultGroup } from "../results.ts";
import type { RunContext } from "../run-context.ts";

/**
 * Lists the referrers of every subject, whole and by each `artifactType` that occurs (distribution-spec, "Listing
 * Referrers"). A registry that does not filter is a Skip, as long as it lists everything.
 */
export function referrersCase(run: RunContext, group: ResultGroup, dataSet: DataSet): Promise<boolean> {
  return group.runCase({ name: "referrers", category: "discovery" }, async (log) => {
    let isFilterMissing = false;
    for (const [subject, expected] of dataSet.referrers) {
      const [listed] = await listReferrers(run, subject, undefined, log);
      expectListed(listed, expected);
      for (const artifactType of new Set(expected.map((referrer) => referrer.artifactType))) {
        const [filtered, reply] = await listReferrers(run, subject, artifactType, log);
        const isFiltered = appliedFilters(reply).includes("artifactType");
        isFilterMissing ||= !isFiltered;
        const wanted = expected.filter((referrer) => !isFiltered || referrer.artifactType === artifactType);
        expectListed(filtered, wanted);
        if (isFiltered) expectOnly(filtered, artifactType);
      }
    }
    if (isFilterMissing) throw unsupported("OCI-Filters-Applied does not name artifactType");
  });
}

/** Lists the referrers of a digest that nobody ever pushed or referred to: an empty index, never 404. */
export function emptyReferrersCase(run: RunContext, group: ResultGroup): Promise<boolean> {
  return group.runCase({ name: "referrers", category: "discovery" }, async (log) => {
    await listReferrers(run, contentDigest("sha256", new TextEncoder().encode(randomText())), undefined, log);
  });
}

async function listReferrers(
  run: RunContext,
  subject: string,
  artifactType: string | undefined,
  log: ExchangeLog,
): Promise<[readonly unknown[], HttpReply]> {
  const url = run.client.urlOf(`${run.repository}/referrers/${subject}`);
  if (artifactType !== undefined) url.searchParams.set("artifactType", artifactType);
  const reply = await run.client.send({ method: "GET", url }, log);
  expectReply(reply, { status: [200], headers: { "Content-Type": mediaTypes.imageIndex } });
  const index = parseJson(reply.body);
  const isIndex =
    propertyOf(index, "mediaType") === mediaTypes.imageIndex && propertyOf(index, "schemaVersion") === 2;
  if (!isIndex) throw failure("the body is not an image index with mediaType and schemaVersion 2");
  const manifests = arrayOf(propertyOf(index, "manifests"));
  if (manifests === undefined) throw failure("the index has no list of manifests");
  return [manifests, reply];
}

function expectListed(listed: readonly unknown[], expected: readonly Referrer[]): void {
  const absent = expected.filter((referrer) => !listed.some((entry) => shows(entry, referrer)));
  if (absent.length > 0)
    throw failure(`the list lacks ${absent.map((referrer) => JSON.stringify(referrer)).join(", ")}`);
}

function expectOnly(listed: readonly unknown[], artifactType: string): void {
  const others = listed.filter((entry) => (propertyOf(entry, "artifactType") ?? "") !== artifactType);
  if (others.length > 0)
    throw failure(`the list for artifactType=${artifactType} also has ${JSON.stringify(others)}`);
}

/** Annotations may be more than the manifest's own, but not fewer. */
function shows(entry: unknown, referrer: Referrer): boolean {
  return (
    propertyOf(entry, "digest") === referrer.digest &&
    propertyOf(entry, "mediaType") === referrer.mediaType &&
    propertyOf(entry, "size") === referrer.size &&
    (propertyOf(entry, "artifactType") ?? "") === referrer.artifactType &&
    Object.entries(referrer.annotations).every(([name, value]) => {
      return propertyOf(propertyOf(entry, "annotations"), name) === value;
    })
  );
}

function appliedFilters(reply: HttpReply): readonly string[] {
  return headerValues(reply, "OCI-Filters-Applied").flatMap((value) =>
    value.split(",").map((name) => name.trim()),
  );
}
