import { homedir } from "node:os";
import { join } from "node:path";

/** What the command reads from its environment; nothing else does. */
export interface CliEnvironment {
  /** The folder of docker's `config.json`. */
  readonly dockerConfigDir: string;
  /** Meant by names without a host, and by commands that need a registry. */
  readonly defaultHost: string;
  /** Failures are told with their stack. */
  readonly isDebug: boolean;
  /** https://no-color.org */
  readonly isColorUnwanted: boolean;
}

/**
 * Reads `DOCKER_CONFIG`, `ENTREPOT_CLI_REGISTRY` (localhost:5000 when absent), `ENTREPOT_CLI_DEBUG`, `NO_COLOR`; empty counts as absent. The two
 * of its own are then taken out of the environment, as the server refuses to start with an `ENTREPOT_` variable that is no setting.
 */
export function takeEnvironment(): CliEnvironment {
  // oxlint-disable-next-line node/no-process-env -- the one place of this package that reads the environment
  const variables = process.env;
  const value = (name: string) => (variables[name] === "" ? undefined : variables[name]);
  const take = (name: string) => {
    const taken = value(name);
    delete variables[name];
    return taken;
  };
  return {
    dockerConfigDir: value("DOCKER_CONFIG") ?? join(homedir(), ".docker"),
    defaultHost: take("ENTREPOT_CLI_REGISTRY") ?? "localhost:5000",
    isDebug: take("ENTREPOT_CLI_DEBUG") !== undefined,
    isColorUnwanted: value("NO_COLOR") !== undefined || value("TERM") === "dumb",
  };
}
