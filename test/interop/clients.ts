import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where `install-clients.sh` put things. */
export const cache =
  process.env["ENTREPOT_TEST_CACHE"] ?? join(process.env["TMPDIR"] ?? tmpdir(), "entrepot-test-cache");

const places = {
  skopeo: "/usr/bin/skopeo",
  podman: "/usr/bin/podman",
  buildah: "/usr/bin/buildah",
  umoci: "/usr/bin/umoci",
  dockerd: "/usr/sbin/dockerd",
  containerd: "/usr/bin/containerd",
  "docker-registry": "/usr/bin/docker-registry",
  oras: join(cache, "trixie/usr/bin/oras"),
  "cosign 2": join(cache, "trixie/usr/bin/cosign"),
  "cosign 3": join(cache, "forky/usr/bin/cosign"),
  crane: join(cache, "forky/usr/bin/crane"),
  notation: join(cache, "forky/usr/bin/notation"),
  "dockerd 28": join(cache, "forky/usr/sbin/dockerd"),
  "containerd 2": join(cache, "forky/usr/bin/containerd"),
  "podman 5": join(cache, "chroot/usr/bin/podman"),
  helm: join(cache, "helm/helm/helm"),
  images: join(cache, "images/oci/index.json"),
} as const;
export type Client = keyof typeof places;

/** Options for a test that needs these clients: skipped with the reason when one is not there. */
export function needs(...clients: readonly Client[]): {
  readonly skip: string | false;
  readonly timeout: number;
} {
  const missing = [...clients, "images" as const].filter((client) => !existsSync(places[client]));
  const isRoot = process.getuid?.() === 0;
  const reason =
    missing.length > 0 ? `${missing.join(", ")} not installed: run test/interop/install-clients.sh` : "";
  return { skip: isRoot ? reason || false : "containers need root", timeout: 300_000 };
}
