import type { Config } from "../config/config.ts";

export interface FirstAdministrator {
  readonly username: string;
  /** Set when it was generated: it is shown here and never again. */
  readonly generatedPassword: string | undefined;
}

/** Tells a person at the terminal where the registry is. On standard error, as standard output is the log. */
export function announce(config: Config, port: number, first: FirstAdministrator | undefined): void {
  const scheme = config.tlsCertificate === undefined ? "http" : "https";
  const host = ["::", "0.0.0.0", ""].includes(config.host) ? "localhost" : config.host;
  const origin = config.publicUrl ?? `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const lines = [`Entrepôt listens on ${origin}`];
  if (config.anonymousAccess === "full") {
    lines.push("Anyone who can reach it may push and delete: access.anonymous is full.");
  }
  if (first !== undefined) {
    lines.push("", "The first administrator was created:", `  username: ${first.username}`);
    lines.push(
      first.generatedPassword === undefined
        ? "  password: as configured"
        : `  password: ${first.generatedPassword}`,
    );
    if (first.generatedPassword !== undefined) lines.push("Keep it: it is not shown again.");
  }
  process.stderr.write(`${lines.join("\n")}\n`);
}
