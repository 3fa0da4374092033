import { Command } from "commander";
import { askPassword } from "../ask.ts";
import type { ContextOf } from "../command-context.ts";
import { formatTable } from "../format-text.ts";
import { cellsOf, type ManagementClient, rowsOf } from "../management-client.ts";
import { managementCommand, type Open, openManagement } from "../management-command.ts";
import { type ProviderInFile, readProvidersFile, type TeamOfGroup } from "../read-providers-file.ts";

const collection = "/api/v1/sign-in-providers";

/** `entrepot provider`: ways to sign in beside the registry's own passwords. */
export function providerCommand(contextOf: ContextOf): Command {
  const open = openManagement(contextOf);
  const command = managementCommand("provider", {
    summary: "set up sign-in by LDAP, OpenID Connect, GitHub and others",
    description: "Sign-in providers of a running registry. Needs an administrator's credentials.",
    examples: ["provider apply -f providers.yaml", "provider test corp --username ada", "provider lost corp"],
  });
  for (const child of [
    list(open),
    show(open),
    applyFile(open),
    test(open),
    sync(open),
    known(open),
    lost(open),
    unlink(open),
    remove(open),
  ]) {
    command.addCommand(child);
  }
  return command;
}

function list(open: Open): Command {
  return new Command("ls")
    .summary("list them in the order in which they are asked")
    .action(async (_options: object, command: Command) => {
      const { context, client } = open(command);
      const found = await client.list(collection, "providers", "list sign-in providers");
      const rows = found.map((one) => [
        ...(cellsOf([one], ["name", "kind", "displayName"])[0] ?? []),
        one["isEnabled"] === true ? "on" : "off",
      ]);
      context.output.result(found, formatTable(rows));
    });
}

function applyFile(open: Open): Command {
  return new Command("apply")
    .summary("make providers as a file says")
    .description(
      "Makes each provider, and the teams that its groups fill, as the file says. May be repeated: what is so already is left alone. {file: PATH} in the file stands for the content of another, for secrets and certificates.",
    )
    .requiredOption("-f, --file <file>", "YAML or JSON with a list named providers")
    .option("--prune", "delete providers that are not in the file")
    .action(async (options: { readonly file: string; readonly prune?: true }, command: Command) => {
      const { context, client } = open(command);
      const done = await apply(client, await readProvidersFile(options.file), options.prune === true);
      context.output.result(
        done,
        done.map(({ name, change }) => `${name}: ${change}`),
      );
    });
}

function test(open: Open): Command {
  return new Command("test")
    .summary("try a provider, signing nobody in")
    .argument("<name>", "name of the provider")
    .option("--username <name>", "also ask whether it knows somebody; the password is asked for")
    .action(async (name: string, { username }: { readonly username?: string }, command: Command) => {
      const { context, client } = open(command);
      const instead = "a password is asked for on a terminal only";
      const login =
        username === undefined
          ? {}
          : { username, password: await askPassword(context, `Password of ${username}`, instead) };
      const done = await client.send("POST", `${pathOf(name)}/test`, `try ${name}`, login);
      context.output.result(done, [String(done["message"])]);
      if (done["ok"] !== true) throw new Error(`${name} cannot be used so`);
    });
}

function sync(open: Open): Command {
  return new Command("sync")
    .summary("look over a directory now: who is gone, who is in which group")
    .argument("<name>", "name of the provider")
    .action(async (name: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const done = await client.send("POST", `${pathOf(name)}/sync`, `look over ${name}`);
      const fields = ["known", "created", "changed", "lost", "refused"];
      context.output.result(done, formatTable(fields.map((field) => [field, String(done[field])])));
      if (done["ok"] !== true) throw new Error(String(done["message"]));
    });
}

function show(open: Open): Command {
  return new Command("show")
    .summary("show a provider, without its secrets")
    .argument("<name>", "name of the provider")
    .action(async (name: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const found = await client.send("GET", pathOf(name), `show ${name}`);
      context.output.result(found, formatTable(rowsOf(found)));
    });
}

function known(open: Open): Command {
  return new Command("known")
    .summary("list accounts that a provider knows")
    .argument("<name>", "name of the provider")
    .action(async (name: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const path = `${pathOf(name)}/identities?state=known&n=1000`;
      const found = await client.list(path, "identities", `list accounts of ${name}`);
      context.output.result(found, formatTable(cellsOf(found, ["id", "user", "username"])));
    });
}

function unlink(open: Open): Command {
  return new Command("unlink")
    .summary("take somebody's link to a provider away")
    .argument("<name>", "name of the provider")
    .argument("<id>", "number of the link, as `provider known` shows it")
    .action(async (name: string, id: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      await client.send(
        "DELETE",
        `${pathOf(name)}/identities/${encodeURIComponent(id)}`,
        "take the link away",
      );
      context.output.result({ unlinked: id }, [`link ${id} to ${name} is gone`]);
    });
}

function lost(open: Open): Command {
  return new Command("lost")
    .summary("list accounts whose provider knows them no more")
    .argument("<name>", "name of the provider")
    .action(async (name: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      const path = `${pathOf(name)}/identities?state=lost&n=1000`;
      const found = await client.list(path, "identities", `list accounts of ${name}`);
      const rows = found.map((one) => [
        ...(cellsOf([one], ["user", "username", "lostAtMs"])[0] ?? []),
        one["isUserDisabled"] === true ? "disabled" : "has other ways in",
      ]);
      context.output.result(found, formatTable(rows));
    });
}

function remove(open: Open): Command {
  return new Command("rm")
    .summary("delete a provider; its users stay")
    .argument("<name>", "name of the provider")
    .action(async (name: string, _options: object, command: Command) => {
      const { context, client } = open(command);
      await client.send("DELETE", pathOf(name), `delete ${name}`);
      context.output.result({ name, change: "deleted" }, [`${name}: deleted`]);
    });
}

interface Done {
  readonly name: string;
  readonly change: "created" | "updated" | "unchanged" | "deleted";
}

async function apply(
  client: ManagementClient,
  wanted: readonly ProviderInFile[],
  prune: boolean,
): Promise<readonly Done[]> {
  const listed = await client.list(collection, "providers", "list sign-in providers");
  const before = new Map(listed.map((one) => [String(one["name"]), one["updatedAtMs"]]));
  const done: Done[] = [];
  for (const { name, body, teams } of wanted) {
    const now = await client.send("PUT", pathOf(name), `set up ${name}`, body);
    const hasBound = teams !== undefined && (await bind(client, name, teams));
    const isSame = before.get(name) === now["updatedAtMs"] && !hasBound;
    done.push({ name, change: before.has(name) ? (isSame ? "unchanged" : "updated") : "created" });
  }
  for (const name of prune ? before.keys() : []) {
    if (wanted.some((one) => one.name === name)) continue;
    await client.send("DELETE", pathOf(name), `delete ${name}`);
    done.push({ name, change: "deleted" });
  }
  return done;
}

/** Makes the bindings those of the file; true = something was different. */
async function bind(
  client: ManagementClient,
  name: string,
  wanted: readonly TeamOfGroup[],
): Promise<boolean> {
  const path = `${pathOf(name)}/team-bindings`;
  const before = await client.list(path, "bindings", `list the teams of ${name}`);
  const known = new Set(
    before.map((one) => keyOf({ team: String(one["team"]), group: String(one["group"]) })),
  );
  const keys = new Set(wanted.map(keyOf));
  const missing = wanted.filter((binding) => !known.has(keyOf(binding)));
  for (const binding of missing) await client.send("PUT", path, `fill ${binding.team}`, binding);
  const surplus = before
    .map((one) => ({ team: String(one["team"]), group: String(one["group"]) }))
    .filter((binding) => !keys.has(keyOf(binding)));
  for (const binding of surplus) await client.send("DELETE", path, `fill ${binding.team} no more`, binding);
  return missing.length + surplus.length > 0;
}

/** As directories compare names: in any case, with or without spaces around commas. Two groups that differ in case only are told apart by nobody. */
function keyOf({ team, group }: TeamOfGroup): string {
  return `${team}\n${group.trim().replace(/\s*([,=+])\s*/g, "$1")}`.toLowerCase();
}

function pathOf(name: string): string {
  return `${collection}/${encodeURIComponent(name)}`;
}
