/** One thing that `doctor` looked at, with a sentence either way. */
export interface Finding {
  readonly name: string;
  readonly ok: boolean;
  readonly message: string;
}

/** Runs a check; what it throws is a finding, too. */
export async function look(name: string, check: () => Promise<string>): Promise<Finding> {
  try {
    return { name, ok: true, message: await check() };
  } catch (error) {
    return { name, ok: false, message: error instanceof Error ? error.message : String(error) };
  }
}
