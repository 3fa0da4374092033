import { RegistryError } from "@entrepot/client/registry-error";
import { Command } from "commander";
import { askPassword, askText, readPasswordFromStdin } from "../ask.ts";
import type { ContextOf } from "../command-context.ts";
import { saveCredentials } from "../docker-config.ts";
import { exchangeToken } from "../exchange-token.ts";
import { parseHostArgument } from "../image-argument.ts";
import { connect } from "../registry-access.ts";
import { UsageError } from "../usage-error.ts";

interface LoginOptions {
  readonly username?: string;
  readonly passwordStdin?: true;
  readonly oidcTokenFile?: string;
  readonly rule?: string;
}

/** `entrepot login`: proves credentials to the registry, then keeps them where docker does. */
export function loginCommand(contextOf: ContextOf): Command {
  return new Command("login")
    .summary("sign in to a registry")
    .description(
      "Proves a user name and password (or access token) to a registry and keeps them in docker's configuration, so docker and podman are signed in, too. Nothing is kept when the registry refuses them.",
    )
    .argument("[host]", "registry; localhost:5000 or ENTREPOT_CLI_REGISTRY when left out")
    .option("-u, --username <name>", "user name; asked for when left out")
    .option("--password-stdin", "read the password from standard input; asked for when left out")
    .option(
      "--oidc-token-file <file>",
      "sign in with the token that a CI system or cluster gave; needs --rule",
    )
    .option("--rule <rule>", "the registry's trust rule for the token, such as acme/github")
    .addHelpText(
      "after",
      "\nExamples:\n  entrepot login registry.example.org\n  entrepot login registry.example.org --username anna --password-stdin < token.txt\n  entrepot login registry.example.org --oidc-token-file /var/run/secrets/tokens/registry --rule acme/cluster",
    )
    .action(async (hostText: string | undefined, options: LoginOptions, command: Command) => {
      const context = contextOf(command);
      const host = parseHostArgument(hostText ?? context.environment.defaultHost);
      if (options.passwordStdin === true && options.username === undefined) {
        throw new UsageError("--password-stdin needs --username");
      }
      const { oidcTokenFile: tokenFile, rule } = options;
      if ((tokenFile === undefined) !== (rule === undefined)) {
        throw new UsageError("--oidc-token-file and --rule go together");
      }
      if (tokenFile !== undefined && rule !== undefined) {
        const { username, password, expiresInSeconds } = await exchangeToken(context, host, {
          tokenFile,
          rule,
        });
        const credentials = { username, password };
        const storedIn = await saveCredentials(context.environment.dockerConfigDir, host, credentials);
        context.output.result({ registry: host, username, storedIn, expiresInSeconds }, [
          `${host} takes ${username} for ${expiresInSeconds} seconds; kept in ${storedIn}`,
        ]);
        return;
      }
      const username =
        options.username ??
        (await askText(context, "User name", "without a terminal, give --username and --password-stdin"));
      const password =
        options.passwordStdin === true
          ? await readPasswordFromStdin()
          : await askPassword(
              context,
              "Password",
              "without a terminal, give --username and --password-stdin",
            );
      if (username.includes(":")) throw new UsageError("a user name has no colon");
      const client = await connect(host, context, { kind: "password", username, password });
      try {
        await client.ping(context.signal).catch((error: unknown) => {
          throw asLoginRefusal(error, host);
        });
      } finally {
        await client.close();
      }
      const storedIn = await saveCredentials(context.environment.dockerConfigDir, host, {
        username,
        password,
      });
      context.output.result({ registry: host, username, storedIn }, [
        `${host} takes ${username}; kept in ${storedIn}`,
      ]);
    });
}

/** In the registry's own words: that somebody has a second factor, for instance. */
function asLoginRefusal(error: unknown, host: string): unknown {
  if (!(error instanceof RegistryError) || error.status !== 401) return error;
  return new RegistryError(error.message, { status: 401, code: "LOGIN_REFUSED", host, cause: error });
}
