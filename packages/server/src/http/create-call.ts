import type { Actor } from "../access/actor.ts";
import type { Log } from "../lib/log.ts";
import type { Departure } from "./departure.ts";
import type { Call, Client } from "./endpoint.ts";
import type { Progress } from "./progress.ts";

/** The call of a request whose actor is known. Most requests log nothing and wait for nobody: a log of their own and a signal are made when they are asked for. */
export function createCall(
  log: Log,
  progress: Progress,
  incoming: { readonly departure: Departure; readonly userAgent: string | undefined },
): Call {
  return new RequestCall(log, progress, incoming);
}

class RequestCall implements Call {
  readonly requestId: string;
  readonly actor: Actor;
  readonly client: Client;
  readonly #parentLog: Log;
  readonly #departure: Departure;
  #log: Log | undefined;

  constructor(
    log: Log,
    { requestId, actor, remoteAddress }: Progress,
    incoming: { readonly departure: Departure; readonly userAgent: string | undefined },
  ) {
    this.requestId = requestId;
    this.actor = actor;
    this.client = { address: remoteAddress, userAgent: incoming.userAgent?.slice(0, 200) };
    this.#parentLog = log;
    this.#departure = incoming.departure;
  }

  get log(): Log {
    this.#log ??= this.#parentLog.child({ requestId: this.requestId });
    return this.#log;
  }

  get signal(): AbortSignal {
    return this.#departure.signal;
  }
}
