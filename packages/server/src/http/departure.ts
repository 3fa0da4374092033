/** Whether the client of a request has gone away. */
export interface Departure {
  readonly hasLeft: boolean;
  /** Fires when it goes; fired already when it has gone. Made when it is asked for first: most requests are answered without. */
  readonly signal: AbortSignal;
}

/** `leave` is told once, or not at all. */
export function createDeparture(): Departure & { leave(reason: Error): void } {
  return new ClientDeparture();
}

class ClientDeparture {
  #controller: AbortController | undefined;
  #reason: Error | undefined;

  get hasLeft(): boolean {
    return this.#reason !== undefined;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  leave(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
