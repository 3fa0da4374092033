import type { TestEvent } from "node:test/reporters";

/** Closes a test run with one line that any reader of logs understands: "N passed, N failed, N skipped". */
export default async function* plainLine(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const skips = new Map<string, number>();
  for await (const event of source) {
    if (event.type === "test:pass" && typeof event.data.skip === "string" && event.data.skip !== "") {
      skips.set(event.data.skip, (skips.get(event.data.skip) ?? 0) + 1);
    }
    if (event.type !== "test:summary" || event.data.file !== undefined) continue;
    for (const [reason, count] of skips) yield `SKIPPED ${count}: ${reason}\n`;
    // The types leave `failed` out; at run time it is there.
    const counts: { readonly passed: number; readonly failed?: number; readonly skipped: number } =
      event.data.counts;
    yield `${counts.passed} passed, ${counts.failed ?? 0} failed, ${counts.skipped} skipped\n`;
  }
}
