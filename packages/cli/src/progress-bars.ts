import type { CopyEvent } from "@entrepot/client/copy-options";
import type { CliOutput } from "./cli-context.ts";
import { formatBytes, formatCount, shortDigest } from "./format-text.ts";

/** Shows a copy while it runs. */
export interface CopyProgress {
  show(event: CopyEvent): void;
  /** Leaves the last state standing. May be repeated. */
  end(): void;
}

const redrawMs = 100;
const maxBars = 8;

/** Bars that are drawn over themselves on a terminal; elsewhere a line for each thing that is done. */
export function createCopyProgress(output: CliOutput): CopyProgress {
  return output.isDrawable ? createBars(output) : createLines(output);
}

function createLines(output: CliOutput): CopyProgress {
  return {
    show(event) {
      const line = describe(event);
      if (line !== undefined) output.note(line);
    },
    end() {},
  };
}

function describe(event: CopyEvent): string | undefined {
  switch (event.kind) {
    case "planned": {
      const { manifests, blobs, totalBytes } = event;
      return `${formatCount(manifests, "manifest")}, ${formatCount(blobs, "blob")}, ${formatBytes(totalBytes)}`;
    }
    case "blob":
      return `blob ${shortDigest(event.digest)} ${formatBytes(event.sizeBytes)} ${event.how}`;
    case "manifest":
      return `manifest ${shortDigest(event.digest)}`;
    case "progress":
      return undefined;
  }
  // Every kind is handled above; the linter refuses one that is forgotten.
  return undefined;
}

function createBars(output: CliOutput): CopyProgress {
  const running = new Map<string, { movedBytes: number; readonly sizeBytes: number }>();
  let totalBytes = 0;
  let doneBytes = 0;
  let drawnLines = 0;
  let lastDrawnMs = 0;

  function redraw(): void {
    const moved = [...running.values()].reduce((sum, { movedBytes }) => sum + movedBytes, doneBytes);
    const rows = [...running]
      .slice(0, maxBars)
      .map(([digest, { movedBytes, sizeBytes }]) => row(shortDigest(digest), movedBytes, sizeBytes));
    rows.push(row("total", moved, totalBytes));
    // Up to the first line drawn before, then each line over the old one and the rest cleared.
    const up = drawnLines === 0 ? "" : `\u001b[${drawnLines}A`;
    output.draw(`${up}${rows.map((text) => `${text}\u001b[K\n`).join("")}\u001b[J`);
    drawnLines = rows.length;
    lastDrawnMs = performance.now();
  }

  function row(name: string, movedBytes: number, sizeBytes: number): string {
    const counts = `${formatBytes(movedBytes)} / ${formatBytes(sizeBytes)}`;
    const width = Math.max(5, Math.min(40, output.columns() - name.length - counts.length - 30));
    const share = sizeBytes === 0 ? 1 : Math.min(1, movedBytes / sizeBytes);
    const filled = Math.floor(share * width);
    return `${name.padEnd(19)} [${"=".repeat(filled)}${" ".repeat(width - filled)}] ${counts}`;
  }

  return {
    show(event) {
      if (event.kind === "planned") totalBytes = event.totalBytes;
      else if (event.kind === "progress") {
        const { digest, movedBytes, sizeBytes } = event;
        running.set(digest, { movedBytes, sizeBytes });
      } else if (event.kind === "blob") {
        running.delete(event.digest);
        doneBytes += event.sizeBytes;
      }
      if (event.kind !== "progress" || performance.now() - lastDrawnMs >= redrawMs) redraw();
    },
    end() {
      if (drawnLines > 0) redraw();
    },
  };
}
