import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CopyEvent } from "@entrepot/client/copy-options";
import { parseDigest } from "@entrepot/oci/digest";
import type { CliOutput } from "./cli-context.ts";
import { createCopyProgress } from "./progress-bars.ts";

const digest = parseDigest(`sha256:${"ab".repeat(32)}`);
const events: readonly CopyEvent[] = [
  { kind: "planned", manifests: 1, blobs: 1, totalBytes: 1_000 },
  { kind: "progress", digest, movedBytes: 500, sizeBytes: 1_000 },
  { kind: "blob", digest, sizeBytes: 1_000, how: "sent" },
  { kind: "manifest", digest, mediaType: "application/json" },
];

function collectingOutput(isDrawable: boolean): { output: CliOutput; notes: string[]; drawn: string[] } {
  const notes: string[] = [];
  const drawn: string[] = [];
  const output: CliOutput = {
    result: () => undefined,
    note: (line) => void notes.push(line),
    isDrawable,
    isInteractive: false,
    draw: (text) => void drawn.push(text),
    columns: () => 80,
    emphasize: (text) => text,
  };
  return { output, notes, drawn };
}

describe("progress of a copy", () => {
  it("is a line for each thing done where nothing can be drawn", () => {
    const { output, notes, drawn } = collectingOutput(false);
    const progress = createCopyProgress(output);
    for (const event of events) progress.show(event);
    progress.end();
    assert.deepEqual(notes, [
      "1 manifest, 1 blob, 1.0 kB",
      "blob sha256:abababababab 1.0 kB sent",
      "manifest sha256:abababababab",
    ]);
    assert.deepEqual(drawn, []);
  });

  it("is drawn over itself on a terminal and ends with everything done", () => {
    const { output, notes, drawn } = collectingOutput(true);
    const progress = createCopyProgress(output);
    for (const event of events) progress.show(event);
    progress.end();
    assert.deepEqual(notes, []);
    const last = drawn.at(-1) ?? "";
    // One line was drawn before: up by one, and over it.
    assert.equal(last.startsWith("\u001b[1Atotal "), true);
    assert.match(last, /\[=+\] 1\.0 kB \/ 1\.0 kB/);
  });
});
