import { readFile } from "node:fs/promises";

/** The program, its databases and what is shared by all requests. */
const ownFiles = 200;

/**
 * Whether this process may have as many files open as its limits let clients cause: one for a connection, two more for a request (a download has a file, and a second
 * number for its socket). A sentence that says so, or an error whose message says what to set right. `limits` is what Linux says of a process; elsewhere nobody tells.
 */
export async function checkOpenFiles(
  allowed: { readonly maxConnections: number; readonly maxRequestsInFlight: number },
  limits: () => Promise<string> = () => readFile("/proc/self/limits", "utf8"),
): Promise<string> {
  const { maxConnections, maxRequestsInFlight } = allowed;
  const needed = maxConnections + 2 * maxRequestsInFlight + ownFiles;
  const told = await limits().catch(() => "");
  // Node raises the soft limit to the hard one when it starts.
  const [, most] = /^Max open files +\S+ +(\d+)/m.exec(told) ?? [];
  if (most === undefined) return "as many files may be open as there is memory for, or nobody tells";
  if (Number(most) >= needed) return `${most} files may be open, and ${needed} at most are needed`;
  throw new Error(
    `only ${most} files may be open, and ${maxConnections} connections with ${maxRequestsInFlight} requests need up to ${needed}: raise the limit (ulimit -Hn, systemd's LimitNOFILE) or lower limits.maxConnections`,
  );
}
