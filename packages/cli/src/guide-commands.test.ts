import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { test } from "node:test";
import type { Command } from "commander";
import { createProgram } from "./program.ts";

const guide = resolve(import.meta.dirname, "../../../docs/guide");

/** Commands that do something although there are others below them. */
const runsItself = new Set(["gc"]);

test("every command line in the guide is one that there is, with options that it takes", async () => {
  const program = createProgram(() => assert.fail("nothing is run"), "0.0.0");
  const lines = await readLines();
  assert.ok(lines.length > 80, "they are found");
  const wrong = lines.flatMap(({ file, line }) => {
    const problem = problemOf(program, line);
    return problem === undefined ? [] : [`${file}: ${line}: ${problem}`];
  });
  assert.deepEqual(wrong, []);
});

/** Lines of code blocks that begin with the command, where what goes on in the next line belongs to it; and commands within a sentence. */
async function readLines(): Promise<readonly { readonly file: string; readonly line: string }[]> {
  const files = (await readdir(guide)).filter((name) => name.endsWith(".md"));
  const found = await Promise.all(
    files.map(async (file) => {
      const text = (await readFile(join(guide, file), "utf8")).replaceAll(/\\\n\s*/g, " ");
      const parts = text.split(/^```.*$/m);
      const blocks = parts.filter((_part, index) => index % 2 === 1);
      const prose = parts.filter((_part, index) => index % 2 === 0);
      return [
        ...blocks.flatMap((block) => block.split("\n")),
        ...prose.flatMap((part) => [...part.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code)),
      ]
        .map((line) => line.trim().replace(/ +#.*$/, ""))
        .filter((line) => line.startsWith("entrepot "))
        .map((line) => ({ file, line }));
    }),
  );
  return found.flat();
}

function problemOf(program: Command, line: string): string | undefined {
  // What another program or the shell is told is none of ours.
  const [own = ""] = line.split(/ [|<>&;]/);
  const words = own.split(/\s+/).slice(1);
  const path: Command[] = [program];
  for (const word of words) {
    const next = path.at(-1)?.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (next !== undefined) path.push(next);
    else if (!word.startsWith("-")) break;
  }
  const last = path.at(-1);
  if (last === undefined || (last.commands.length > 0 && !runsItself.has(last.name())))
    return "it names no command";
  const known = new Set(path.flatMap(({ options }) => options.flatMap(({ long, short }) => [long, short])));
  const unknown = words
    .filter((word) => /^--?[a-z]/.test(word))
    .find((word) => !known.has(word.split("=")[0]));
  return unknown === undefined || unknown === "--help" ? undefined : `there is no ${unknown}`;
}
