import { randomBytes } from "node:crypto";
import { contentDigest } from "../content-digest.ts";
import { addImage } from "../data-sets/add-image.ts";
import { DataSetBuilder, randomText } from "../data-sets/data-set-builder.ts";
import { expectReply } from "../expectations.ts";
import type { ResultGroup } from "../results.ts";
import type { RunContext } from "../run-context.ts";
import { pushBlobAnyhow } from "./blob-cases.ts";
import { deleteDataSet } from "./data-set-group.ts";
import { manifestAccept, manifestUrl, sendManifest } from "./manifest-cases.ts";
import { emptyReferrersCase } from "./referrers-case.ts";
import { emptyTagListCase } from "./tag-list-case.ts";

/** GET `/v2/`: any of the answers that the specification gives a meaning to. */
export async function runPing(run: RunContext, root: ResultGroup): Promise<void> {
  await root.runCase({ name: "ping", category: "ping" }, async (log) => {
    const reply = await run.client.send({ method: "GET", url: run.client.urlOf("") }, log);
    expectReply(reply, { status: [200, 401, 404] });
  });
}

/** A repository to which nothing was pushed yet. */
export async function runEmptyGroup(run: RunContext, group: ResultGroup): Promise<void> {
  await emptyTagListCase(run, group);
  await emptyReferrersCase(run, group);
}

/** Manifests that were never pushed. */
export async function runMissingManifestGroup(run: RunContext, group: ResultGroup): Promise<void> {
  const references = [
    ["by-digest", contentDigest("sha256", randomBytes(1024))],
    ["by-tag", `missing-${randomText()}`],
  ] as const;
  for (const [name, reference] of references) {
    await group.runCase({ name, subject: reference, category: "pull" }, async (log) => {
      const url = manifestUrl(run, reference);
      const reply = await run.client.send({ method: "GET", url, headers: manifestAccept }, log);
      expectReply(reply, { status: [404] });
    });
  }
}

const badDigest = "sha256:baddigeststring";

/** A reference that looks like a digest and is none: refused on a push, not found (or refused) on a pull. */
export async function runInvalidDigestGroup(run: RunContext, group: ResultGroup): Promise<void> {
  const builder = new DataSetBuilder("invalid-digest-format");
  addImage(builder, { layerCount: 1 });
  const dataSet = builder.build();
  for (const blob of dataSet.blobs) await pushBlobAnyhow({ run, group, repository: run.repository, blob });
  const url = manifestUrl(run, badDigest);
  for (const manifest of dataSet.manifests) {
    await group.runCase({ name: "manifest-put", subject: badDigest, category: "push" }, async (log) => {
      expectReply(await sendManifest({ run, manifest }, url, log), { status: [400] });
    });
  }
  await group.runCase({ name: "manifest-get", subject: badDigest, category: "pull" }, async (log) => {
    const reply = await run.client.send({ method: "GET", url, headers: manifestAccept }, log);
    expectReply(reply, { status: [404, 400] });
  });
  await deleteDataSet(run, group.addGroup("delete"), dataSet, new Set());
}
