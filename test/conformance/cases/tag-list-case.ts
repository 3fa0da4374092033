import { failure } from "../case-problem.ts";
import { expectReply } from "../expectations.ts";
import { arrayOf, parseJson, propertyOf } from "../json-value.ts";
import type { ExchangeLog } from "../registry-client.ts";
import type { ResultGroup } from "../results.ts";
import type { RunContext } from "../run-context.ts";

/**
 * Lists the tags: every pushed one must be there. Then lists again from the middle tag in byte order: `last` itself and
 * everything before it must be left out, everything after it must be there (distribution-spec, "Listing Tags").
 */
export function tagListCase(
  run: RunContext,
  group: ResultGroup,
  pushed: readonly string[],
): Promise<boolean> {
  return group.runCase({ name: "tag-list", category: "discovery" }, async (log) => {
    const listed = await listTags(run, undefined, log);
    const absent = pushed.filter((tag) => !listed.includes(tag));
    if (absent.length > 0) throw failure(`the list lacks ${absent.join(", ")}`);
    if (listed.length < 2) return;

    const sorted = listed.toSorted(compareBytes);
    const middle = Math.floor(sorted.length / 2);
    const last = sorted[middle - 1] ?? "";
    const rest = await listTags(run, last, log);
    const tooMany = sorted.slice(0, middle).filter((tag) => rest.includes(tag));
    const tooFew = sorted.slice(middle).filter((tag) => !rest.includes(tag));
    if (tooMany.length > 0) throw failure(`with last=${last} the list still has ${tooMany.join(", ")}`);
    if (tooFew.length > 0) throw failure(`with last=${last} the list lacks ${tooFew.join(", ")}`);
  });
}

/** Lists the tags of a repository to which nothing was pushed yet: a list, or 404. */
export function emptyTagListCase(run: RunContext, group: ResultGroup): Promise<boolean> {
  return group.runCase({ name: "tag list", category: "discovery" }, async (log) => {
    await listTags(run, undefined, log);
  });
}

/** A repository that does not exist (yet, or any more) has no tags. */
async function listTags(
  run: RunContext,
  last: string | undefined,
  log: ExchangeLog,
): Promise<readonly string[]> {
  const url = run.client.urlOf(`${run.repository}/tags/list`);
  if (last !== undefined) url.searchParams.set("last", last);
  const reply = await run.client.send({ method: "GET", url }, log);
  expectReply(reply, { status: [200, 404] });
  if (reply.status === 404) return [];
  const body = parseJson(reply.body);
  if (propertyOf(body, "name") !== run.repository) throw failure(`the list is not for ${run.repository}`);
  const tags = arrayOf(propertyOf(body, "tags"));
  if (tags === undefined) throw failure("the body has no list of tags");
  return tags.map((tag) => (typeof tag === "string" ? tag : JSON.stringify(tag)));
}

/** Tags are ASCII, for which the order of code units is the order of bytes. */
function compareBytes(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
