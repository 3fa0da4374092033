import { pathOf } from "./clients.ts";
import type { Workplace } from "./workplace.ts";

/** Starts docker 28 for the scripts of a workplace; ended with the test. */
export function startDocker(place: Workplace): Promise<void> {
  const { folder } = place;
  return place.startDaemon(
    [
      pathOf("docker 28"),
      "--data-root",
      `${folder}/dk`,
      "--exec-root",
      `${folder}/dx`,
      "--pidfile",
      `${folder}/dockerd.pid`,
      "--iptables=false",
      "--ip6tables=false",
      "--bridge=none",
      "-H",
      `unix://${folder}/docker.sock`,
    ],
    "docker version >/dev/null 2>&1",
  );
}
