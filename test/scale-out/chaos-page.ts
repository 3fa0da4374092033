import { cpus } from "node:os";

/** One disaster, and how it ended. */
export interface Round {
  readonly disaster: string;
  /** Until every instance, asked by itself, took a push and gave it back; from the end of the disaster. */
  readonly recoveryMs: number;
  /** How many manifests were acknowledged while it lasted and until then. */
  readonly manifests: number;
}

export interface ChaosResult {
  readonly rounds: readonly Round[];
  readonly instances: number;
  readonly pushers: number;
  readonly blobs: number;
  readonly manifests: number;
  readonly unanswered: number;
  readonly tookMs: number;
}

/** What a run of `chaos.test.ts` found, as a page. */
export function chaosPage(result: ChaosResult): string {
  const { rounds, instances, pushers, blobs, manifests, unanswered } = result;
  const day = new Date().toISOString().slice(0, 10);
  const names = [...new Set(rounds.map(({ disaster }) => disaster))];
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown"}`;
  const rows = names.map((name) => {
    const of = rounds.filter(({ disaster }) => disaster === name);
    const times = of.map(({ recoveryMs }) => recoveryMs).toSorted((one, other) => one - other);
    const pushed = of.reduce((sum, each) => sum + each.manifests, 0);
    const [median, longest] = [times[Math.floor(times.length / 2)], times.at(-1)];
    return `| ${name} | ${of.length} | ${seconds(median)} | ${seconds(longest)} | ${pushed} |`;
  });
  return [
    "# Chaos",
    "",
    `Written on ${day} (${machine}) by`,
    "",
    "```bash",
    `ENTREPOT_TEST_CHAOS=${rounds.length} ENTREPOT_TEST_CHAOS_WRITE=docs/chaos.md node --conditions=source --test test/scale-out/chaos.test.ts`,
    "```",
    "",
    `${instances} instances on PostgreSQL and Ceph's S3 gateway behind nginx, ${pushers} clients that push without a pause and never push the same again, and ${rounds.length} disasters one after`,
    `another, in ${Math.round(result.tookMs / 60_000)} minutes. A disaster lasts three to five seconds, a kill or a restart as long as it takes. *Works again*: from its end until each instance, asked by itself,`,
    "has taken a push and given it back. More than ten seconds would have failed the run.",
    "",
    "| disaster | times | works again after, median | at most | manifests acknowledged meanwhile |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
    "",
    `Acknowledged in all: ${blobs} blobs and ${manifests} manifests. Afterwards each of them was read from each instance by its digest: all were there, and whole. Of the ${unanswered} blobs whose`,
    "push was not acknowledged none was there by half, and every tag named what was pushed to it last.",
    "",
  ].join("\n");
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? "" : `${(ms / 1_000).toFixed(1)} s`;
}
