import { readdirSync, readFileSync, writeFileSync } from "node:fs";

// USER_HZ is 100 on every Linux that Node runs on.
const ticksPerSecond = 100;

/** A process and all its descendants. */
export function processTree(pid: number): readonly number[] {
  const parents = new Map<number, number>();
  for (const entry of readdirSync("/proc")) {
    if (!/^[0-9]+$/.test(entry)) continue;
    const stat = read(`/proc/${entry}/stat`);
    const parent = stat === undefined ? undefined : Number(afterName(stat)[1]);
    if (parent !== undefined) parents.set(Number(entry), parent);
  }
  const tree = [pid];
  for (const known of tree) {
    for (const [child, parent] of parents) if (parent === known) tree.push(child);
  }
  return tree;
}

/** Seconds of CPU, user and system, that the processes have used so far. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = read(`/proc/${pid}/stat`);
    if (stat === undefined) continue;
    const fields = afterName(stat);
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / ticksPerSecond;
}

/** Forgets the peak so far, where the kernel allows. */
export function resetPeakMemory(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      writeFileSync(`/proc/${pid}/clear_refs`, "5");
    } catch {
      // Then the peak since the start is told.
    }
  }
}

/** Peak of resident memory since the last reset, in MB. */
export function peakMemoryMb(pids: readonly number[]): number {
  return statusMb(pids, "VmHWM");
}

export function residentMemoryMb(pids: readonly number[]): number {
  return statusMb(pids, "VmRSS");
}

function statusMb(pids: readonly number[], field: string): number {
  let kb = 0;
  for (const pid of pids) {
    const status = read(`/proc/${pid}/status`) ?? "";
    kb += Number(new RegExp(`${field}:\\s+([0-9]+)`).exec(status)?.[1] ?? 0);
  }
  return kb / 1_024;
}

/** Fields of /proc/PID/stat from the state on; the name before it may hold spaces. */
function afterName(stat: string): readonly string[] {
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
