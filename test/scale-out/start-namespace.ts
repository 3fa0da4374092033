import { execFile, execFileSync } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A network of its own for one process, with a cable to this machine that a test can cut. */
export interface Namespace {
  /** This machine, as seen from within. */
  readonly hostAddress: string;
  /** The same by two more addresses, for services that can be cut off one by one. */
  readonly serviceAddresses: readonly [string, string];
  /** Whoever is within, as seen from this machine. */
  readonly address: string;
  /** What begins a command that is to run within. The process keeps the id that it is started with. */
  readonly command: readonly [string, ...string[]];
  /** From now on packets vanish, in both directions, and nobody is told: not those who send, nor anybody's connections. */
  cut(): Promise<void>;
  /** The same, but only for what is sent from within to one of the service addresses. What comes from there arrives, and is not answered. */
  cutTo(serviceAddress: string): Promise<void>;
  mend(): Promise<void>;
  /** Asks an address within from within, whether the cable is cut or not; tells the status, 0 = no answer within the limit. */
  ask(path: string, port: number, credentials: string, limitSeconds: number): Promise<number>;
  /** Removes it; whoever still runs within has no network any more. */
  close(): Promise<void>;
}

/** Why there can be none here; undefined when there can. */
export function missingForNamespaces(): string | undefined {
  if (process.getuid?.() !== 0) return "network namespaces are made by root";
  const name = `entrepot-try-${randomBytes(3).toString("hex")}`;
  try {
    execFileSync("ip", ["netns", "add", name], { stdio: "ignore" });
    execFileSync("ip", ["netns", "del", name], { stdio: "ignore" });
    return undefined;
  } catch {
    return "this machine lets even root make no network namespaces, or iproute2 is not installed";
  }
}

export async function startNamespace(): Promise<Namespace> {
  const id = randomBytes(3).toString("hex");
  const [name, near, far] = [`entrepot-${id}`, `e${id}h`, `e${id}n`];
  // Eight addresses that nobody else is likely to use.
  const network = `10.${200 + randomInt(50)}.${randomInt(256)}`;
  const base = 8 * randomInt(31);
  const [hostAddress, address] = [`${network}.${base + 1}`, `${network}.${base + 2}`];
  const serviceAddresses = [`${network}.${base + 3}`, `${network}.${base + 4}`] as const;
  const hostAddresses = [hostAddress, ...serviceAddresses];
  const ip = (...args: readonly string[]) => run("ip", args);
  const within = (...args: readonly string[]) => run("ip", ["-n", name, ...args]);
  await ip("netns", "add", name);
  await ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name);
  for (const each of hostAddresses) await ip("addr", "add", `${each}/29`, "dev", near);
  await ip("link", "set", near, "up");
  await within("addr", "add", `${address}/29`, "dev", far);
  await within("link", "set", far, "up");
  await within("link", "set", "lo", "up");
  // Addressed to nobody on the wire. A link that is down, or a filter, would be told to those who send.
  const toNobody = ["lladdr", "02:00:00:00:00:01", "nud", "permanent", "dev"] as const;
  const cutTo = async (each: string) => {
    await within("neigh", "replace", each, ...toNobody, far);
  };
  const command = ["ip", "netns", "exec", name] as const;
  return {
    hostAddress,
    serviceAddresses,
    address,
    command,
    async cut() {
      await ip("neigh", "replace", address, ...toNobody, near);
      for (const each of hostAddresses) await cutTo(each);
    },
    cutTo,
    async mend() {
      await ip("neigh", "flush", "dev", near, "nud", "permanent");
      await within("neigh", "flush", "dev", far, "nud", "permanent");
    },
    async ask(path, port, credentials, limitSeconds) {
      const [program, ...args] = command;
      const curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", String(limitSeconds)];
      const accept = ["-H", "accept: application/vnd.oci.image.manifest.v1+json"];
      const rest = ["-u", credentials, ...accept, `http://${address}:${port}${path}`];
      const answer = await run(program, [...args, ...curl, ...rest]).then(
        ({ stdout }) => stdout,
        () => "0",
      );
      return Number(answer);
    },
    async close() {
      // Its sockets outlive their processes for a while, and with them the namespace; the cable would stay as long.
      await ip("link", "del", near);
      await ip("netns", "del", name);
    },
  };
}
