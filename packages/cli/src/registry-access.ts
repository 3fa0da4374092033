import { readFile } from "node:fs/promises";
import type { Credentials } from "@entrepot/client/credentials";
import { createHttpTransport } from "@entrepot/client/http-transport";
import { createRegistryClient, type RegistryClient } from "@entrepot/client/registry-client";
import { errorCode } from "@entrepot/client/retry-policy";
import type { CliContext } from "./cli-context.ts";
import { findCredentials } from "./docker-config.ts";

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

/**
 * The address of a registry. Plain http where `--plain-http` says so and on this machine itself, as docker assumes; https everywhere else. With
 * `--ca-file` or `--insecure` there is TLS about: then a registry on this machine is asked which of the two it speaks.
 */
export async function findOrigin(host: string, context: CliContext): Promise<string> {
  const { options, signal } = context;
  if (options.plainHttp === true) return `http://${host}`;
  const isLoopback = loopback.test(host);
  const hasTlsOption = options.caFile !== undefined || options.insecure === true;
  if (!isLoopback) return `https://${host}`;
  if (!hasTlsOption) return `http://${host}`;
  // Any certificate will do here, as nothing is sent; the requests that follow check it.
  const transport = createHttpTransport({ acceptAnyCertificate: true });
  try {
    const url = new URL(`https://${host}/v2/`);
    const response = await transport.send({
      method: "GET",
      url,
      headers: {},
      mayRepeat: false,
      what: "greet the registry",
      signal,
    });
    await response.body.dump();
    return url.origin;
  } catch (error) {
    if (speaksPlainHttp(error)) return `http://${host}`;
    throw error;
  } finally {
    await transport.close();
  }
}

function speaksPlainHttp(error: unknown): boolean {
  return ["EPROTO", "ERR_SSL_WRONG_VERSION_NUMBER", "ERR_SSL_PACKET_LENGTH_TOO_LONG"].includes(
    errorCode(error),
  );
}

/** A client with the credentials that docker's configuration has for the host, or with those given. The caller closes it. */
export async function connect(
  host: string,
  context: CliContext,
  credentials?: Credentials,
): Promise<RegistryClient> {
  const { options, environment, signal } = context;
  const known = credentials ?? (await findCredentials(environment.dockerConfigDir, host));
  const certificateAuthority =
    options.caFile === undefined ? undefined : await readFile(options.caFile, "utf8");
  return createRegistryClient({
    origin: await findOrigin(host, context),
    signal,
    ...(known && { credentials: known }),
    ...(certificateAuthority !== undefined && { certificateAuthority }),
    ...(options.insecure === true && { acceptAnyCertificate: true }),
  });
}

/** Runs work with a client and closes it in any case. */
export async function withClient<T>(
  host: string,
  context: CliContext,
  work: (client: RegistryClient) => Promise<T>,
): Promise<T> {
  const client = await connect(host, context);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}
