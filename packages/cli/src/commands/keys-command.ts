import type { KeyStatus } from "@entrepot/server/app/keys";
import { Command } from "commander";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { serverConfig } from "../server-config.ts";
import { UsageError } from "../usage-error.ts";

interface RotateOptions {
  readonly step?: string;
  readonly force?: true;
}

/** `entrepot keys`: the keys that seal secrets and hash tokens, on the server's own machine. */
export function keysCommand(contextOf: ContextOf): Command {
  const status = new Command("status")
    .summary("which keys there are, and what still needs older ones")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const { keyStatus } = await import("@entrepot/server/app/keys");
      const found = await keyStatus(serverConfig(context));
      context.output.result(found, formatTable(rowsOf(found)));
    });
  const rotate = new Command("rotate")
    .summary("a new key, without stopping the registry")
    .description(
      "Adds a new key, uses it a few seconds later, and seals all stored secrets with it. The older key stays until nothing needs it: then `--step retire`. With several machines, or keys from the settings or a command, take the steps one by one: add, give it to all, use, give it to all, reseal.",
    )
    .option("--step <step>", "only this one: add, use, reseal or retire")
    .option("--force", "with --step retire: also while something needs the older keys; that stops working")
    .addHelpText("after", "\nExamples:\n  entrepot keys rotate\n  entrepot keys rotate --step retire")
    .action(async (options: RotateOptions, command: Command) => {
      const context = contextOf(command);
      const { keySteps, rotateKeys } = await import("@entrepot/server/app/keys");
      const step = keySteps.find((each) => each === options.step);
      if (options.step !== undefined && step === undefined) {
        throw new UsageError(`--step must be one of ${keySteps.join(", ")}`);
      }
      const done = await rotateKeys({
        ...serverConfig(context),
        steps: step === undefined ? ["add", "use", "reseal"] : [step],
        isForced: options.force === true,
        signal: context.signal,
      });
      for (const row of done.lost) context.output.note(`no key opens ${row}: it must be given again`);
      if (done.newKey !== undefined) {
        context.output.note("Put this key after the others, for every process:");
      }
      const rows = [...rowsOf(done.status), ["sealed anew", String(done.resealed)]];
      context.output.result(done, done.newKey === undefined ? formatTable(rows) : [done.newKey]);
    });
  return new Command("keys")
    .summary("keys that seal secrets: status, rotation")
    .addCommand(status)
    .addCommand(rotate);
}

function rowsOf(status: KeyStatus): readonly (readonly string[])[] {
  return [
    ["from", status.source],
    ["present key", status.fingerprints[0] ?? ""],
    ["since", status.presentSince ?? "the beginning"],
    ["older keys", status.fingerprints.slice(1).join(", ") || "none"],
    ["secrets sealed with others", String(status.sealedOtherwise)],
    ["credentials that need older keys", String(status.credentialsOfOlderKeys)],
    ["sessions that need older keys", String(status.sessionsOfOlderKeys)],
  ];
}
