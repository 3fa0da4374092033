import type { IncomingMessage } from "node:http";
import type { Scope } from "@entrepot/oci/scope";
import type { TSchema } from "typebox";
import type { NamespaceAction, RepositoryAction } from "../access/actions.ts";
import type { Actor } from "../access/actor.ts";
import type { Log } from "../lib/log.ts";
import type { BlobReader } from "../storage/blob-store/blob-store.ts";
import type { QueryParameter } from "./query-parameter.ts";

/**
 * Endpoints are data. The server, the reference documents and the test "every endpoint × every kind of caller" come from
 * the one list of these.
 */
export interface Endpoint {
  /** Stable name, area first: "blobs.get". Metrics and documents use it. */
  readonly id: string;
  readonly method: HttpMethod;
  /**
   * Path with parameters in braces: "/v2/{name}/blobs/{digest}". `{name}` is a repository name and may contain slashes; the last
   * occurrence of the literal that follows it wins (names may contain "blobs" or "tags" themselves).
   */
  readonly path: string;
  /** Who may call it; checked before `handle` runs. */
  readonly can: Permission;
  readonly summary: string;
  /** What the query may have; checked before `handle`. Parameters that are not declared are let through. */
  readonly query?: readonly QueryParameter[];
  /** It is dangerous: whoever comes with a session must have proved in the last minutes that it is theirs (`RECENT_SIGN_IN_REQUIRED`). */
  readonly needsRecentSignIn?: boolean;
  /** Open to those who must first show or set up a second factor: what they need to do just that. */
  readonly isOpenBeforeMfa?: boolean;
  /** It makes credentials that work everywhere: those in an organization that asks for a second factor must have shown one. */
  readonly makesCredentials?: boolean;
  /**
   * Shape of a JSON or form body, checked before `handle`; absent = the handler reads `request.raw` or expects no body. Schemas are loaded when they
   * are first needed: most processes never check most bodies, and the schema library is larger than the rest of the server.
   */
  readonly body?: () => Promise<TSchema>;
  /** Shape of the JSON reply, for the documents; absent for OCI endpoints. */
  readonly reply?: () => Promise<TSchema>;
  /**
   * The handler sees to it that a credential that is limited to some tags stays within them. Endpoints about a repository that do not say so are closed
   * to such credentials.
   */
  readonly honoursTagLimits?: true;
  /**
   * Whether the request goes on with something that was begun with that very bearer token (`bearerMark`): then the token may have ended meanwhile.
   * Everything else is checked as ever: who it was made for, whether they still may, what it carries.
   */
  readonly goesOn?: (params: Request["params"], mark: string) => Promise<boolean>;
  /** Scopes a challenge names beyond the one that follows from `can` (a mount also needs pull on its source). */
  readonly extraScopes?: (request: Pick<Request, "params" | "query">) => readonly Scope[];
  handle(call: Call, request: Request): Promise<Reply>;
}

export type HttpMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

/**
 * - `public`: anyone, no look at credentials;
 * - `identified`: whoever they are, wrong credentials are refused; the handler decides what they see;
 * - `signed-in`: any account of ours, with any credential;
 * - `person`: a person, with a credential that is not limited: what belongs to oneself;
 * - `issuer`: an issuer, who is refused everywhere else but where it is public;
 * - `auditor`: administrators and auditors with an unlimited credential; for what changes nothing;
 * - `administrator`: administrators with an unlimited credential;
 * - a namespace action: decided for the `{namespace}` of the path;
 * - a repository action: decided for the `{name}` of the path.
 */
export type Permission =
  | { readonly who: "public" }
  | { readonly who: "identified" }
  | { readonly who: "signed-in" }
  | { readonly who: "person" }
  | { readonly who: "issuer" }
  | { readonly who: "auditor" }
  | { readonly who: "administrator" }
  | { readonly who: "namespace"; readonly action: NamespaceAction }
  | {
      readonly who: "repository";
      readonly action: RepositoryAction;
      /** Whoever administers the repository and every auditor may as well, whatever its state; only for what changes nothing. */
      readonly orOverseer?: true;
    };

/** What belongs to one request, passed first to everything it causes. */
export interface Call {
  readonly requestId: string;
  readonly actor: Actor;
  /** Where the request came from and by what program, as far as can be told; undefined for what the registry does by itself. */
  readonly client: Client | undefined;
  readonly log: Log;
  /** Fires when the client has gone away or the server gives up on the request. */
  readonly signal: AbortSignal;
}

/** The same call by somebody who is known better, or as somebody else. A copy with `...` would lose what is made when it is asked for. */
export function actingAs<A extends Actor>(call: Call, actor: A): Call & { readonly actor: A } {
  const { requestId, client, log, signal } = call;
  return { requestId, client, log, signal, actor };
}

export interface Client {
  /** "unknown" when it cannot be told. */
  readonly address: string;
  readonly userAgent: string | undefined;
}

export interface Request {
  /** Path parameters, percent-decoded, not yet parsed. */
  readonly params: Readonly<Record<string, string>>;
  /**
   * What the client calls the repository when that is a name that it had before; `{name}` is then its present one. Addresses in replies go on with
   * the client's, as its token names it.
   */
  readonly addressedAs?: string | undefined;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  /** The parsed and checked body where the endpoint has a `body` schema; undefined otherwise. */
  readonly body: unknown;
  /** That body as it came, for what is signed; empty where there is none. */
  readonly bodyBytes: Uint8Array;
  /** The request itself, for handlers that stream its body. */
  readonly raw: IncomingMessage;
  /** scheme://host[:port] that the client used (or the configured public address), without a slash at the end. */
  readonly origin: string;
  /** Where the client is, as far as can be told; "unknown" otherwise. */
  readonly remoteAddress: string;
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | number | readonly string[]>>;
  /** Absent = no body. `json` is serialised; `bytes` is sent as it is; `stream` is sent as it is made; `blob` is streamed and its reader closed in every case. */
  readonly body?:
    | { readonly kind: "json"; readonly value: unknown }
    | { readonly kind: "bytes"; readonly bytes: Uint8Array }
    | { readonly kind: "text"; readonly text: string }
    | StreamBody
    | BlobBody;
}

/** A reply of unknown length. When making it fails half-way the connection is cut, so that nobody takes a part for the whole. */
export interface StreamBody {
  readonly kind: "stream";
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** Bytes of a blob: the whole of it, one range, or several (multipart/byteranges). Sender and headers are `http/`'s business. */
export interface BlobBody {
  readonly kind: "blob";
  readonly reader: BlobReader;
  /** Inclusive; undefined = the whole blob. With two or more, the reply is multipart/byteranges. */
  readonly ranges: readonly { readonly start: number; readonly end: number }[] | undefined;
  readonly contentType: string;
}

/** Declares an endpoint; exists so that a list of them reads well and is checked where it is written. */
export function endpoint(definition: Endpoint): Endpoint {
  return definition;
}
