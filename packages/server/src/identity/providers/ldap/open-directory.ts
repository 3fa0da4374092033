import net from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import type { ConnectionOptions } from "node:tls";
import { Client, type Entry, type Filter } from "ldapts";
import type { LdapSettings } from "../provider-schema.ts";

/** One connection to a directory. */
export interface Directory {
  /** Signs in on this connection. False when the directory says that name or password are wrong. Never with an empty password. */
  bind(dn: string, password: string): Promise<boolean>;
  /** Signs in as who searches; anonymous when there is nobody. Throws when the directory refuses them. */
  bindAsSearcher(): Promise<void>;
  /** Entries below the bases, a page at a time. A base that is not there is an error: nobody would be in it. Referrals are not followed. */
  search(question: Search): AsyncGenerator<Entry>;
  /** One entry by its DN; undefined when it is not there or the filter leaves it out. */
  read(dn: string, filter: Filter, attributes: readonly string[]): Promise<Entry | undefined>;
}

export interface Search {
  readonly bases: readonly string[];
  readonly filter: Filter;
  readonly attributes: readonly string[];
  /** At most so many are asked for; absent = all, by pages. */
  readonly limit?: number;
}

const defaultTimeoutSeconds = 5;
const defaultPageSize = 500;
/** Come as bytes, and are no text. */
const binaryAttributes = ["objectGUID", "objectSid"];

/**
 * Connects, does the work and disconnects. Every operation has the provider's deadline; an abort cuts the connection. With `startTls` nothing but the
 * request for it goes over the open connection, and one that breaks is never replaced by another: the library would go on without encryption.
 */
export async function withDirectory<T>(
  settings: LdapSettings,
  bindPassword: string | undefined,
  signal: AbortSignal,
  work: (directory: Directory) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const timeoutMs = (settings.timeoutSeconds ?? defaultTimeoutSeconds) * 1_000;
  const sockets: net.Socket[] = [];
  const tls = tlsOptions(settings);
  const client = new Client({
    url: settings.url,
    timeout: timeoutMs,
    connectTimeout: timeoutMs,
    // For ldap:// they would make it ldaps://.
    ...(isLdaps(settings) ? { tlsOptions: tls } : { createConnection: connectOnce(sockets) }),
  });
  // A handshake that never ends is not covered by the timeouts of operations.
  const handshake = new AbortController();
  const timer = setTimeout(() => {
    handshake.abort(new Error("the directory does not finish the TLS handshake"));
  }, timeoutMs);
  const either = AbortSignal.any([signal, handshake.signal]);
  // The library does not settle everything that an end of the connection interrupts, so nothing is waited for beyond it.
  const givenUp = new Promise<never>((_, reject) => {
    either.addEventListener("abort", () => reject(either.reason), { once: true });
  });
  const done = (async () => {
    if (settings.startTls === true) await client.startTLS(tls);
    clearTimeout(timer);
    return work(createDirectory(client, settings, bindPassword));
  })();
  try {
    return await Promise.race([done, givenUp]);
  } finally {
    clearTimeout(timer);
    for (const promise of [done, givenUp]) promise.catch(() => undefined);
    await Promise.race([client.unbind().catch(() => undefined), turn()]);
    for (const socket of sockets) socket.destroy();
  }
}

function createDirectory(
  client: Client,
  settings: LdapSettings,
  bindPassword: string | undefined,
): Directory {
  const pageSize = settings.pageSize ?? defaultPageSize;
  return {
    async bind(dn, password) {
      // RFC 4513, 5.1.2: a bind with a name and no password succeeds as nobody.
      if (password === "" || dn === "") return false;
      try {
        await client.bind(dn, password);
        return true;
      } catch (error) {
        if (isWrongPassword(error)) return false;
        throw error;
      }
    },
    async bindAsSearcher() {
      const { bindDn } = settings;
      if (bindDn === undefined) return;
      if (bindPassword === undefined) throw new Error("the directory's bind DN has no password");
      await client.bind(bindDn, bindPassword);
    },
    async *search({ bases, filter, attributes, limit }) {
      for (const base of bases) {
        const options = {
          scope: "sub" as const,
          filter,
          attributes: [...attributes],
          explicitBufferAttributes: binaryAttributes,
          derefAliases: "never" as const,
        };
        if (limit !== undefined) {
          yield* (await client.search(base, { ...options, sizeLimit: limit })).searchEntries;
          continue;
        }
        for await (const page of client.searchPaginated(base, { ...options, paged: { pageSize } })) {
          yield* page.searchEntries;
        }
      }
    },
    async read(dn, filter, attributes) {
      try {
        const { searchEntries } = await client.search(dn, {
          scope: "base",
          filter,
          attributes: [...attributes],
          explicitBufferAttributes: binaryAttributes,
          derefAliases: "never",
        });
        return searchEntries[0];
      } catch (error) {
        if (isNoSuchObject(error)) return undefined;
        throw error;
      }
    },
  };
}

/** The library asks for a second connection where the first broke: with StartTLS, and before a bind, that one would be open to everybody. */
function connectOnce(sockets: net.Socket[]): typeof net.connect {
  const connect = (port: number, host: string): net.Socket => {
    if (sockets.length > 0) throw new Error("the directory closed the connection");
    const socket = net.connect(port, host);
    sockets.push(socket);
    return socket;
  };
  return connect as typeof net.connect; // as: the library calls this one of its forms
}

function tlsOptions(settings: LdapSettings): ConnectionOptions {
  const host = new URL(settings.url).hostname.replace(/^\[|\]$/g, "");
  return {
    host,
    minVersion: "TLSv1.2",
    rejectUnauthorized: true,
    ...(net.isIP(host) === 0 ? { servername: host } : {}),
    ...(settings.caCertificate === undefined ? {} : { ca: settings.caCertificate }),
  };
}

function isLdaps(settings: LdapSettings): boolean {
  return settings.url.startsWith("ldaps:");
}

// RFC 4511, appendix A.
const noSuchObject = 32;
const invalidDnSyntax = 34;
const constraintViolation = 19;
const inappropriateAuthentication = 48;
const invalidCredentials = 49;
const unwillingToPerform = 53;

/** 48: the entry has no password at all. 19 and 53: what servers say of accounts that are locked. */
function isWrongPassword(error: unknown): boolean {
  return hasCode(error, [
    constraintViolation,
    inappropriateAuthentication,
    invalidCredentials,
    unwillingToPerform,
  ]);
}

function isNoSuchObject(error: unknown): boolean {
  return hasCode(error, [noSuchObject, invalidDnSyntax]);
}

function hasCode(error: unknown, codes: readonly number[]): boolean {
  return error instanceof Error && "code" in error && codes.some((code) => code === error.code);
}
