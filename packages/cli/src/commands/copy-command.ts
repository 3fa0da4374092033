import { copyImage } from "@entrepot/client/copy-image";
import type { CopyResult } from "@entrepot/client/copy-options";
import type { RegistryClient } from "@entrepot/client/registry-client";
import type { ImageReference } from "@entrepot/oci/image-reference";
import { formatImageReference } from "@entrepot/oci/image-reference";
import { parseTagName, type TagName } from "@entrepot/oci/tag-name";
import { Command, InvalidArgumentError } from "commander";
import type { CliContext } from "../cli-context.ts";
import type { ContextOf } from "../command-context.ts";
import { formatBytes, formatCount } from "../format-text.ts";
import { parseImageArgument, referenceOf } from "../image-argument.ts";
import { createCopyProgress } from "../progress-bars.ts";
import { connect } from "../registry-access.ts";
import { UsageError } from "../usage-error.ts";

interface CopyOptions {
  readonly allTags?: true;
  readonly platform?: string;
  readonly referrers?: true;
  readonly concurrency: number;
}

/** `entrepot copy`: between any two registries, or within one. */
export function copyCommand(contextOf: ContextOf): Command {
  return new Command("copy")
    .summary("copy an image or artifact from one registry to another")
    .description(
      "Copies an image, an index with all its platforms, or any artifact, byte by byte: digests stay. What the target has is not sent, so running it again goes on where it stopped.",
    )
    .argument("<source>", "[HOST/]NAME[:TAG][@DIGEST]")
    .argument("<target>", "[HOST/]NAME[:TAG]; the source's tag when there is none")
    .option("--all-tags", "copy every tag of the repository")
    .option("--platform <os/arch>", "of an index, copy only the image for this platform, such as linux/arm64")
    .option("--referrers", "copy signatures, SBOMs and everything else that refers to it, too")
    .option("--concurrency <number>", "blobs under way at once", parseConcurrency, 4)
    .addHelpText(
      "after",
      "\nExamples:\n  entrepot copy docker.io/library/alpine:3 registry.example.org/base/alpine:3\n  entrepot copy --all-tags --referrers old.example.org/team/app registry.example.org/team/app",
    )
    .action(async (sourceText: string, targetText: string, options: CopyOptions, command: Command) => {
      const context = contextOf(command);
      const { defaultHost } = context.environment;
      const source = parseImageArgument(sourceText, defaultHost);
      const target = parseImageArgument(targetText, defaultHost);
      checkPair(source, target, options);
      const from = await connect(apiHost(source.host), context);
      const isOneRegistry = source.host === target.host;
      const to = isOneRegistry ? from : await connect(apiHost(target.host), context);
      try {
        const results = await copyAll(context, options, { source, target, from, to });
        context.output.result(
          options.allTags === true ? { copies: results } : results[0],
          results.map(describe),
        );
      } finally {
        await from.close();
        if (!isOneRegistry) await to.close();
      }
    });
}

/** Docker Hub's images are named after one host and served by another. */
function apiHost(host: string): string {
  return host === "docker.io" || host === "index.docker.io" ? "registry-1.docker.io" : host;
}

function parseConcurrency(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 64)
    throw new InvalidArgumentError("A number from 1 to 64.");
  return value;
}

function checkPair(source: ImageReference, target: ImageReference, options: CopyOptions): void {
  if (target.digest !== undefined)
    throw new UsageError("the target has the source's digest; name a tag, or nothing");
  const isPartNamed = source.tag !== undefined || source.digest !== undefined || target.tag !== undefined;
  if (options.allTags === true && isPartNamed)
    throw new UsageError("--all-tags takes names without tag or digest");
}

interface Pair {
  readonly source: ImageReference;
  readonly target: ImageReference;
  readonly from: RegistryClient;
  readonly to: RegistryClient;
}

interface NamedResult extends CopyResult {
  readonly source: string;
  readonly target: string;
}

async function copyAll(
  context: CliContext,
  options: CopyOptions,
  pair: Pair,
): Promise<readonly NamedResult[]> {
  const { source, target, from } = pair;
  if (options.allTags !== true) return [await copyOne(context, options, pair)];
  const results: NamedResult[] = [];
  for await (const name of from.listTags(source.repository, context.signal)) {
    const tag = parseTagName(name);
    const one = { ...pair, source: { ...source, tag }, target: { ...target, tag } };
    context.output.note(`${formatImageReference(one.source)} → ${formatImageReference(one.target)}`);
    results.push(await copyOne(context, options, one));
  }
  return results;
}

async function copyOne(context: CliContext, options: CopyOptions, pair: Pair): Promise<NamedResult> {
  const { source, target, from, to } = pair;
  const reference = referenceOf(source);
  const sourceTag = reference.kind === "tag" ? reference.tag : source.tag;
  const tag: TagName | undefined = target.tag ?? sourceTag;
  const progress = createCopyProgress(context.output);
  try {
    const result = await copyImage({
      source: { client: from, repository: source.repository, reference },
      target: { client: to, repository: target.repository, tags: tag === undefined ? [] : [tag] },
      withReferrers: options.referrers === true,
      concurrency: options.concurrency,
      onEvent: (event) => progress.show(event),
      signal: context.signal,
      ...(options.platform !== undefined && { platform: options.platform }),
    });
    const arrived = { host: target.host, repository: target.repository, ...(tag !== undefined && { tag }) };
    return {
      source: formatImageReference(source),
      target: formatImageReference({ ...arrived, digest: result.digest }),
      ...result,
    };
  } finally {
    progress.end();
  }
}

function describe(result: NamedResult): string {
  const { sent, mounted, present } = result.blobs;
  return (
    `${result.target}: ${formatCount(result.manifests, "manifest")}; ` +
    `${formatCount(sent, "blob")} sent (${formatBytes(result.sentBytes)}), ${mounted} mounted, ${present} there before`
  );
}
