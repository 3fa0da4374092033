import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { describeImage, type ImageDescription, readImage } from "../describe-image.ts";
import { parseImageArgument } from "../image-argument.ts";
import { withClient } from "../registry-access.ts";
import { UsageError } from "../usage-error.ts";

interface InspectOptions {
  readonly raw?: true;
  /** `--image-config`: `--config` is the registry's file. */
  readonly imageConfig?: true;
}

/** `entrepot inspect`: what a manifest says. */
export function inspectCommand(contextOf: ContextOf): Command {
  return new Command("inspect")
    .summary("show what an image or artifact is made of")
    .description(
      "Shows type, digest, platforms or layers, annotations and referrers of an image or artifact.",
    )
    .argument("<image>", "[HOST/]NAME[:TAG][@DIGEST]; the tag latest when there is neither")
    .option("--raw", "print the manifest exactly as it is stored")
    .option("--image-config", "print the image's configuration exactly as it is stored")
    .addHelpText(
      "after",
      "\nExamples:\n  entrepot inspect registry.example.org/team/app:1.4\n  entrepot inspect --raw registry.example.org/team/app@sha256:…",
    )
    .action(async (text: string, options: InspectOptions, command: Command) => {
      if (options.raw === true && options.imageConfig === true) {
        throw new UsageError("--raw and --image-config exclude each other");
      }
      const context = contextOf(command);
      const image = parseImageArgument(text, context.environment.defaultHost);
      await withClient(image.host, context, async (client) => {
        const { manifest, parsed, configBytes } = await readImage(client, image, context.signal);
        if (options.raw === true) process.stdout.write(manifest.bytes);
        else if (options.imageConfig === true) {
          if (configBytes === undefined)
            throw new Error(`${text} is an index or artifact and has no image configuration`);
          process.stdout.write(configBytes);
        } else {
          const known = { manifest, parsed, configBytes };
          const description: ImageDescription = await describeImage(client, image, known, context.signal);
          context.output.result(description.json, description.lines(context.output.emphasize));
        }
      });
    });
}
