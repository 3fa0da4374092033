const atOnce = 8;

/** Deletes one by one, a few at a time: batch requests differ too much between services. Throws the first failure, after the others ended. */
export async function deleteEach(
  keys: readonly string[],
  deleteOne: (key: string) => Promise<unknown>,
): Promise<void> {
  for (let from = 0; from < keys.length; from += atOnce) {
    const results = await Promise.allSettled(keys.slice(from, from + atOnce).map(deleteOne));
    for (const result of results) {
      if (result.status === "rejected") throw result.reason;
    }
  }
}
