import { readFileSync } from "node:fs";
import type { Config } from "../config/config.ts";
import type { HttpServer } from "../http/create-http-server.ts";
import type { TlsFiles } from "../http/http-deps.ts";
import { AppError } from "../lib/app-error.ts";
import type { Log } from "../lib/log.ts";

/** Undefined = plain HTTP. `REQUEST_INVALID` when they cannot be read. */
export function readTls(config: Config): TlsFiles | undefined {
  const { tlsCertificate, tlsKey } = config;
  if (tlsCertificate === undefined || tlsKey === undefined) return undefined;
  try {
    return { certificate: readFileSync(tlsCertificate), key: readFileSync(tlsKey) };
  } catch (cause) {
    throw new AppError("REQUEST_INVALID", `the TLS files cannot be read: ${String(cause)}`, { cause });
  }
}

/** Never throws: files that are no good leave the server with those it has. */
export function reloadTls(config: Config, server: HttpServer, log: Log): void {
  try {
    const files = readTls(config);
    if (files === undefined) return;
    server.replaceTls(files);
    log.info({}, "TLS certificate read again");
  } catch (error) {
    log.error({ error }, "the new TLS certificate cannot be used; the old one stays");
  }
}
