import { lookup } from "node:dns";
import { connect, isIP, type LookupFunction, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { AppError } from "../../../lib/app-error.ts";
import type { SyslogSettings } from "./forwarder-store.ts";

export interface SyslogOptions {
  /** Whether a connection may go to an address: as for everything that the registry calls. */
  readonly mayReach: (address: string) => boolean;
  readonly isPlainAllowed: boolean;
}

const connectMs = 10_000;
const farewellMs = 10_000;

/**
 * Sends frames over a connection of their own and closes it. Syslog has no receipts: what tells that all has arrived is that the receiver, having read to
 * the end, closes its side without an error. One that is silent for ten seconds is believed. `UNAVAILABLE` when something goes wrong, and then all of it
 * is sent again later: receivers see some entries twice and know them by their sequence.
 */
export async function sendSyslog(
  settings: SyslogSettings,
  clientKey: string | undefined,
  frames: readonly string[],
  options: SyslogOptions,
): Promise<void> {
  if (settings.transport === "tcp" && !options.isPlainAllowed) {
    throw new AppError("REQUEST_INVALID", "syslog without TLS is not allowed (audit.plainSyslog)");
  }
  if (isIP(settings.host) !== 0 && !options.mayReach(settings.host)) throw forbidden();
  const socket = await open(settings, clientKey, options);
  try {
    await deliver(socket, frames);
  } finally {
    socket.destroy();
  }
}

function open(
  settings: SyslogSettings,
  clientKey: string | undefined,
  options: SyslogOptions,
): Promise<Socket> {
  const { host, port } = settings;
  const where = { host, port, lookup: guardedLookup(options.mayReach) };
  const isTls = settings.transport === "tls";
  const servername = settings.serverName ?? (isIP(host) === 0 ? host : undefined);
  const socket = isTls
    ? connectTls({
        ...where,
        minVersion: "TLSv1.2",
        ...(servername === undefined ? {} : { servername }),
        ...(settings.certificateAuthority === undefined ? {} : { ca: settings.certificateAuthority }),
        ...(settings.clientCertificate === undefined ? {} : { cert: settings.clientCertificate }),
        ...(clientKey === undefined ? {} : { key: clientKey }),
      })
    : connect(where);
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      socket.destroy();
      reject(failed(error));
    };
    const timer = setTimeout(() => fail(new Error("no connection in time")), connectMs);
    socket.once("error", fail);
    socket.once(isTls ? "secureConnect" : "connect", () => {
      clearTimeout(timer);
      socket.off("error", fail);
      resolve(socket);
    });
    socket.once("close", () => clearTimeout(timer));
  });
}

function deliver(socket: Socket, frames: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let isWritten = false;
    const timer = setTimeout(() => {
      if (isWritten) resolve();
      else reject(failed(new Error("the receiver does not read")));
    }, farewellMs);
    socket.once("error", (error) => reject(failed(error)));
    socket.once("close", (hadError: boolean) => {
      clearTimeout(timer);
      if (isWritten && !hadError) resolve();
      else reject(failed(new Error("the receiver closed the connection")));
    });
    socket.resume();
    socket.end(frames.join(""), () => {
      isWritten = true;
    });
  });
}

function guardedLookup(mayReach: (address: string) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { all: true }, (error, found) => {
      const reachable = found?.filter(({ address }) => mayReach(address)) ?? [];
      const [first] = reachable;
      if (error !== null) callback(error, "");
      else if (first === undefined) callback(forbidden(), "");
      else if (options.all === true) callback(null, reachable);
      else callback(null, first.address, first.family);
    });
  };
}

function forbidden(): AppError {
  return new AppError(
    "REQUEST_INVALID",
    "the receiver's address is one that the registry must not call (outgoing.allowedNetworks)",
  );
}

function failed(cause: Error): AppError {
  if (cause instanceof AppError) return cause;
  return new AppError("UNAVAILABLE", `the syslog receiver did not take the entries: ${cause.message}`, {
    cause,
  });
}
