import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CommanderError } from "commander";
import { keepPlausibleGuess } from "./plausible-guess.ts";
import { createProgram } from "./program.ts";

/** What a person sees of a line that is wrong. */
async function seenOf(line: string): Promise<string> {
  const program = createProgram(() => assert.fail("nothing is run"), "0.0.0");
  const seen: string[] = [];
  const listen = (command: typeof program) => {
    command.configureOutput({ writeErr: (text) => void seen.push(text) });
    for (const child of command.commands) listen(child);
  };
  listen(program);
  await assert.rejects(program.parseAsync(line.split(" "), { from: "user" }), CommanderError);
  return seen.join("");
}

describe("what is guessed of a wrong line", () => {
  for (const [line, meant] of [
    ["isnpect a", "inspect"],
    ["tag a", "tags"],
    ["veryfi", "verify"],
    ["jobs lst", "list or ls"],
    ["gc --dry-rum", "--dry-run"],
    ["org ls --registri x", "--registry"],
  ] as const) {
    it(`is ${meant} for ${line}, which is a slip of the fingers`, async () => {
      assert.ok((await seenOf(line)).includes(`(Did you mean ${meant}?)`), await seenOf(line));
    });
  }

  for (const line of ["remove x", "start", "logs", "info x", "images", "build", "gc --delete"]) {
    it(`is nothing for ${line}, which means something else`, async () => {
      const seen = await seenOf(line);
      assert.match(seen, /unknown (command|option)/);
      assert.doesNotMatch(seen, /Did you mean/);
      assert.match(seen, /run it with --help/);
    });
  }

  it("leaves other sentences as they are", () => {
    assert.equal(keepPlausibleGuess("error: missing argument\n"), "error: missing argument\n");
  });
});
