import type { Actor } from "../access/actor.ts";
import type { Client, Endpoint } from "./endpoint.ts";

/** What is told of a request when its reply is on its way, for whoever keeps a record. No headers, no bodies, no query: there are secrets in these. */
export interface Answered {
  readonly requestId: string;
  /** Undefined = there is nothing at the address. */
  readonly endpoint: Endpoint | undefined;
  /** Not parsed. */
  readonly params: Readonly<Record<string, string>>;
  readonly status: number;
  readonly code: string | undefined;
  readonly actor: Actor;
  /** What whoever was refused called themselves, if it has the form of a user name. */
  readonly presentedName: string | undefined;
  readonly client: Client;
  /** Of the manifest or blob that was sent. */
  readonly digest: string | undefined;
}
