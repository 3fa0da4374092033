import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryMedium } from "../testing/memory-medium.ts";
import { examineMedium } from "./examine-medium.ts";

const limits = { partBytes: 64, maxParts: 3 };

test("everything that keeping blobs needs is tried, and nothing is left", async () => {
  const medium = createMemoryMedium(limits);
  const examined = await examineMedium(medium);
  assert.deepEqual(
    examined.map(({ problem }) => problem),
    examined.map(() => undefined),
  );
  assert.equal(examined.length, 6);
  assert.deepEqual([...medium.objects.keys(), ...medium.unfinished.keys()], []);
});

for (const refused of ["put", "get", "list", "begin", "complete", "abort", "delete"]) {
  test(`a service that does not let us ${refused} is told as such, once`, async () => {
    const medium = createMemoryMedium(limits, (name, when) => {
      if (name === refused && when === "before") throw new Error("refused");
    });
    const examined = await examineMedium(medium);
    const problems = examined.filter(({ problem }) => problem !== undefined);
    assert.equal(problems.length, 1);
    assert.equal(examined.at(-1), problems[0], "the first that fails is the last that is tried");
  });
}
