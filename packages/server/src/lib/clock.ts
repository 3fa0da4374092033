/** The only source of time inside the server; tests pass one they can move. */
export interface Clock {
  /** Milliseconds since the Unix epoch. Never goes backwards by more than the system clock does. */
  nowMs(): number;
}

export const systemClock: Clock = {
  // The one place where the server reads the system clock.
  // oxlint-disable-next-line no-restricted-properties
  nowMs: () => Date.now(),
};
