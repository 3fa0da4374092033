/** The command line itself is wrong: exit code 2. See `exit-codes.ts` for the others. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
