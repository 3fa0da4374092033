/** How a command ends; docs/guide/command-line.md tells it to those who write scripts. */
export const exitCodes = {
  done: 0,
  failed: 1,
  /** The line itself is wrong, or the registry says so of what was sent. */
  usage: 2,
  /** No credentials, or they are wrong, expired or revoked. */
  signIn: 3,
  /** Known, but not allowed. */
  denied: 4,
  /** What was named is not there, or not to be seen. */
  missing: 5,
  /** Taken, in use, or being changed by somebody else. */
  conflict: 6,
  /** The registry cannot be reached, is none, or is in trouble. */
  unreachable: 7,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
