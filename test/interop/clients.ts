import { existsSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where `install-clients.sh` puts things. */
export const cache =
  process.env["ENTREPOT_TEST_CACHE"] ?? join(process.env["TMPDIR"] ?? tmpdir(), "entrepot-test-cache");

const names = [
  "skopeo",
  "skopeo 1.18",
  "podman",
  "podman 5",
  "buildah",
  "umoci",
  "docker 20",
  "docker 28",
  "buildx",
  "containerd 1",
  "containerd 2",
  "docker-registry",
  "crane",
  "oras",
  "oras 1.3",
  "cosign 2",
  "cosign 3",
  "notation",
  "helm",
  // Not programs, but just as necessary: the images, and a machine that lets root run a container.
  "images",
  "containers",
] as const;
export type Client = (typeof names)[number];

/** What `install-clients.sh` found of one client. */
export type ClientState = { readonly version: string; readonly path: string } | { readonly skip: string };

const installer = "test/interop/install-clients.sh";

/** Every client of these tests with its version and path, or with the reason why it is not there. */
export const clients: ReadonlyMap<Client, ClientState> = readClients();

/** Options for a test that needs these clients, and images: it is skipped, with the reason, when one is not there. */
export function needs(...wanted: readonly Client[]): {
  readonly skip: string | false;
  readonly timeout: number;
} {
  const reasons = [...wanted, "images" as const].flatMap((name) => {
    const state = clients.get(name);
    return state === undefined || "skip" in state ? [`${name}: ${state?.skip ?? `run ${installer}`}`] : [];
  });
  return { skip: reasons.length > 0 && reasons.join("; "), timeout: 900_000 };
}

/** The path of a client that `needs` has found. */
export function pathOf(name: Client): string {
  const state = clients.get(name);
  if (state === undefined || "skip" in state) throw new Error(`${name} is not installed`);
  return state.path;
}

function readClients(): ReadonlyMap<Client, ClientState> {
  const file = join(cache, "clients.json");
  if (process.getuid?.() !== 0) return all("these clients run as root");
  if (!existsSync(file)) return all(`run ${installer}`);
  const found: unknown = JSON.parse(readFileSync(file, "utf8"));
  return new Map(names.map((name) => [name, stateOf(name, found)]));
}

function all(reason: string): ReadonlyMap<Client, ClientState> {
  return new Map(names.map((name) => [name, { skip: reason }]));
}

function stateOf(name: Client, found: unknown): ClientState {
  const entry = member(found, name);
  const reason = member(entry, "skip");
  if (typeof reason === "string") return { skip: reason };
  const version = member(entry, "version");
  const path = member(entry, "path");
  if (typeof version !== "string" || typeof path !== "string")
    return { skip: `not listed: run ${installer}` };
  // The list outlives what was installed when the folder is cleaned.
  return existsSync(path) ? { version, path } : { skip: `${path} is gone: run ${installer}` };
}

function member(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null
    ? Object.entries(value).find(([name]) => name === key)?.[1]
    : undefined;
}
