import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CaseProblem, failure, unsupported } from "./case-problem.ts";
import type { Step } from "./results.ts";
import { casesOf, countOutcomes, highestStatus, ResultGroup } from "./results.ts";

const pass: Step = async () => {};
const fail: Step = async () => {
  throw failure("broken rule");
};

describe("ResultGroup", () => {
  it("counts one outcome per step", async () => {
    const group = new ResultGroup("image");
    assert.equal(await group.runCase({ name: "delete", category: "management" }, pass, pass), true);
    assert.deepEqual(countOutcomes(casesOf(group)), { Disabled: 0, Skip: 0, Pass: 2, FAIL: 0, Error: 0 });
  });

  it("skips the steps after one that did not pass, without trying them", async () => {
    const group = new ResultGroup("image");
    const untried: Step = () => assert.fail("must not be tried");
    assert.equal(await group.runCase({ name: "delete", category: "management" }, fail, untried), false);
    const [result] = casesOf(group);
    assert.deepEqual(
      result?.outcomes.map((outcome) => outcome.status),
      ["FAIL", "Skip"],
    );
  });

  it("tells broken rules, missing features, disabled cases and mistakes of the suite apart", async () => {
    const group = new ResultGroup("g");
    const problems = [
      failure("f"),
      unsupported("s"),
      new CaseProblem("Disabled", "d"),
      new TypeError("mistake"),
    ];
    for (const problem of problems) {
      await group.runCase({ name: "case", category: "pull" }, () => Promise.reject(problem));
    }
    const found = casesOf(group).flatMap((result) => result.outcomes.map((outcome) => outcome.status));
    assert.deepEqual(found, ["FAIL", "Skip", "Disabled", "Error"]);
  });

  it("names cases by the path of their groups", async () => {
    const root = new ResultGroup("");
    await root.addGroup("image").addGroup("push").runCase({ name: "blob-post-put", category: "push" }, pass);
    assert.equal(casesOf(root)[0]?.path, "image/push/blob-post-put");
  });
});

describe("highestStatus", () => {
  it("puts Error above FAIL above Pass above Skip above Disabled", () => {
    const none = { Disabled: 0, Skip: 0, Pass: 0, FAIL: 0, Error: 0 };
    assert.equal(highestStatus(none), "Disabled");
    assert.equal(highestStatus({ ...none, Disabled: 1, Skip: 1 }), "Skip");
    assert.equal(highestStatus({ ...none, Skip: 1, Pass: 1 }), "Pass");
    assert.equal(highestStatus({ ...none, Pass: 1, FAIL: 1 }), "FAIL");
    assert.equal(highestStatus({ ...none, FAIL: 1, Error: 1 }), "Error");
  });
});
