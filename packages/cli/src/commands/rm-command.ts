import { formatImageReference, type ImageReference } from "@entrepot/oci/image-reference";
import { Command } from "commander";
import { askConfirmation } from "../ask.ts";
import type { ContextOf } from "../command-context.ts";
import { formatCount } from "../format-text.ts";
import { parseImageArgument, referenceOf } from "../image-argument.ts";
import { withClient } from "../registry-access.ts";
import { UsageError } from "../usage-error.ts";

/** `entrepot rm`: takes away tags or manifests. */
export function rmCommand(contextOf: ContextOf): Command {
  return new Command("rm")
    .summary("delete tags or manifests")
    .description(
      "Deletes tags, or by digest manifests with all their tags. A tag's manifest stays until garbage collection finds nothing that needs it. Asks first on a terminal; elsewhere --yes is needed.",
    )
    .argument("<image...>", "[HOST/]NAME:TAG or [HOST/]NAME@DIGEST")
    .option("-y, --yes", "do not ask")
    .addHelpText(
      "after",
      "\nExamples:\n  entrepot rm registry.example.org/team/app:old\n  entrepot rm --yes registry.example.org/team/app@sha256:…",
    )
    .action(async (texts: readonly string[], options: { readonly yes?: true }, command: Command) => {
      const context = contextOf(command);
      const images = texts.map((text) => parseNamed(text, context.environment.defaultHost));
      if (options.yes !== true) {
        for (const image of images) context.output.note(formatImageReference(image));
        const question = `Delete ${formatCount(images.length, "reference")}?`;
        if (!(await askConfirmation(context, question, "without a terminal, deleting needs --yes"))) {
          throw new Error("nothing was deleted");
        }
      }
      const results: { readonly image: string; readonly deleted: boolean }[] = [];
      for (const image of images) {
        const { host, repository } = image;
        const deleted = await withClient(host, context, async (client) =>
          client.deleteManifest({ repository, reference: referenceOf(image), signal: context.signal }),
        );
        results.push({ image: formatImageReference(image), deleted });
      }
      const lines = results.map(({ image, deleted }) => `${image} ${deleted ? "deleted" : "was not there"}`);
      context.output.result({ results }, lines);
      if (results.some(({ deleted }) => !deleted)) process.exitCode = 1;
    });
}

/** No `latest` by default here: what goes must be named. */
function parseNamed(text: string, defaultHost: string): ImageReference {
  const image = parseImageArgument(text, defaultHost);
  if (image.tag === undefined && image.digest === undefined) {
    throw new UsageError(`${text} names neither tag nor digest; a whole repository is not deleted this way`);
  }
  if (image.tag !== undefined && image.digest !== undefined) {
    throw new UsageError(`${text} names a tag and a digest; say which of them goes`);
  }
  return image;
}
