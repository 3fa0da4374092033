import { type LookupAddress, lookup as lookupHost } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import type { Agent, Dispatcher } from "undici";
import { AppError } from "./app-error.ts";
import { type IpNetwork, isInNetworks } from "./ip-network.ts";
import { isPublicAddress } from "./public-address.ts";

export interface OutgoingRequest {
  /** GET when absent. */
  readonly method?: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** From the look-up of the name to the last byte of the reply; 10 s when absent. */
  readonly timeoutMs?: number;
  /** Longest reply body that is taken; 1 MiB when absent. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
  /** PEM of the authorities that may vouch for this server instead of the usual ones. Such a connection is not kept. */
  readonly certificateAuthority?: string;
}

export interface OutgoingReply {
  readonly status: number;
  /** Names in lower case; several values joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/**
 * Every HTTP request that the registry makes because somebody told it an address. It reaches public addresses only, and those of networks that the
 * operator has allowed: nobody reads the cloud's metadata or the neighbours' services through us.
 */
export interface OutgoingHttp {
  /**
   * The reply, whatever its status; a redirect is a reply and is not followed. Names are looked up here, and the connection goes to an address that
   * was checked, so a name that means something else a moment later does not help. `REQUEST_INVALID` when the address is no http(s) address, has a
   * password in it, or leads where requests must not go; `UNAVAILABLE` when there is no whole reply in time, or it is too long. Messages name the
   * host and nothing else of the request. An abort throws the signal's reason. Repeating is up to the caller.
   */
  request(url: string | URL, options?: OutgoingRequest): Promise<OutgoingReply>;
  /** Cuts what is under way. */
  close(): Promise<void>;
}

export interface OutgoingHttpOptions {
  /** Networks that may be reached although they are not public: "10.0.0.0/8" for a provider of one's own. */
  readonly allowedNetworks: readonly IpNetwork[];
  /** How names are looked up; the system's way when absent. */
  readonly resolve?: (hostname: string) => Promise<readonly LookupAddress[]>;
}

const defaultTimeoutMs = 10_000;
const defaultMaxBytes = 1_048_576;
const connectTimeoutMs = 5_000;
const maxHeaderBytes = 16_384;
const connectionsPerHost = 16;

/** Thrown where the socket is opened; undici hands it on as it is, or as a cause. */
class ForbiddenAddress extends Error {
  override readonly name = "ForbiddenAddress";
}

export function createOutgoingHttp(options: OutgoingHttpOptions): OutgoingHttp {
  const mayReach = (address: string) =>
    isPublicAddress(address) || isInNetworks(options.allowedNetworks, address);
  let opening: Promise<Agent> | undefined;
  // Loaded when first needed: many registries never call anybody.
  const open = async (certificateAuthority?: string) => {
    const { Agent: AgentClass } = await import("undici");
    return new AgentClass({
      connections: connectionsPerHost,
      pipelining: 1,
      maxHeaderSize: maxHeaderBytes,
      connect: {
        timeout: connectTimeoutMs,
        lookup: guardedLookup(options.resolve, mayReach),
        ...(certificateAuthority === undefined ? {} : { ca: certificateAuthority }),
      },
    });
  };

  return {
    async request(address, request = {}) {
      const url = parse(address);
      // Nothing is looked up for an address written out, so it is checked here. The parser has turned 0x7f.1 and 2130706433 into 127.0.0.1.
      const literal = url.hostname.replace(/^\[|\]$/g, "");
      if (isIP(literal) !== 0 && !mayReach(literal)) throw forbidden(url);
      const deadline = AbortSignal.timeout(request.timeoutMs ?? defaultTimeoutMs);
      const signal = request.signal === undefined ? deadline : AbortSignal.any([request.signal, deadline]);
      const { certificateAuthority } = request;
      const own = certificateAuthority === undefined ? undefined : await open(certificateAuthority);
      try {
        opening ??= open();
        const agent = own ?? (await opening);
        const reply = await agent.request({
          origin: url.origin,
          path: `${url.pathname}${url.search}`,
          method: request.method ?? "GET",
          headers: { "user-agent": "entrepot", ...request.headers },
          body: request.body ?? null,
          signal,
        });
        const body = await readLimited(reply.body, request.maxBytes ?? defaultMaxBytes, url);
        return { status: reply.statusCode, headers: joined(reply.headers), body };
      } catch (error) {
        if (request.signal?.aborted === true) throw request.signal.reason;
        throw told(error, url, deadline.aborted);
      } finally {
        await own?.destroy();
      }
    },
    async close() {
      await (await opening)?.destroy();
    },
  };
}

function parse(address: string | URL): URL {
  const url = URL.canParse(String(address)) ? new URL(String(address)) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:") || url.hostname === "") {
    throw new AppError("REQUEST_INVALID", "the address to call is no http or https address");
  }
  if (url.username !== "" || url.password !== "") {
    throw new AppError("REQUEST_INVALID", "the address to call must not have a user name or password in it");
  }
  return url;
}

/** Looks a name up as `net.connect` asks for it, and hands on only addresses that may be reached. */
function guardedLookup(
  resolve: OutgoingHttpOptions["resolve"],
  mayReach: (address: string) => boolean,
): LookupFunction {
  return (hostname, { all }, callback) => {
    const answer = (error: Error | null, found: readonly LookupAddress[]) => {
      const reachable = found.filter(({ address }) => mayReach(address));
      const [first] = reachable;
      if (error !== null) callback(error, "");
      else if (first === undefined) callback(new ForbiddenAddress(), "");
      else if (all === true)
        callback(
          null,
          reachable.map(({ address, family }) => ({ address, family })),
        );
      else callback(null, first.address, first.family);
    };
    // Node gives no list beside an error, whatever its types say.
    if (resolve === undefined)
      lookupHost(hostname, { all: true }, (error, found) => answer(error, found ?? []));
    else
      resolve(hostname).then(
        (found) => answer(null, found),
        (error: unknown) => answer(error instanceof Error ? error : new Error("no such name"), []),
      );
  };
}

async function readLimited(
  body: Dispatcher.ResponseData["body"],
  maxBytes: number,
  url: URL,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    const part = Buffer.from(chunk as Uint8Array); // as: a body that no encoding was set for yields bytes
    bytes += part.byteLength;
    // Leaving the loop destroys the body, and with it the connection.
    if (bytes > maxBytes) {
      throw new AppError("UNAVAILABLE", `the reply of ${url.host} is longer than ${maxBytes} bytes`);
    }
    chunks.push(part);
  }
  return Buffer.concat(chunks);
}

function joined(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.toLowerCase(), Array.isArray(value) ? value.join(", ") : value]],
    ),
  );
}

/** In our words, as errors of the socket may quote what was sent. */
function told(error: unknown, url: URL, isLate: boolean): AppError {
  if (error instanceof AppError) return error;
  if (isForbidden(error)) return forbidden(url);
  if (isLate) return new AppError("UNAVAILABLE", `${url.host} did not answer in time`);
  return new AppError("UNAVAILABLE", `${url.host} does not answer (${codeOf(error)})`);
}

function isForbidden(error: unknown): boolean {
  if (error instanceof ForbiddenAddress) return true;
  if (error instanceof AggregateError) return error.errors.some(isForbidden);
  return error instanceof Error && error.cause !== undefined && isForbidden(error.cause);
}

function forbidden(url: URL): AppError {
  return new AppError(
    "REQUEST_INVALID",
    `${url.host} has no address that may be called: it is not public, and outgoing.allowedNetworks does not name its network`,
  );
}

function codeOf(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return error instanceof Error ? error.name : "error";
}
