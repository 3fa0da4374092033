import { spawn } from "node:child_process";

const scriptLimitMs = 600_000;

/**
 * What every script may call. `refused PATTERN COMMAND…` is there because bash never ends a script for `! COMMAND`:
 * it fails when the command succeeds, and when it fails for another reason than the pattern tells.
 */
const prelude = `
refused() {
  local pattern=$1; shift
  if "$@" >$W/refused.log 2>&1; then echo "not refused: $*" >&2; exit 1; fi
  grep -qiE -- "$pattern" $W/refused.log || { echo "refused, but not with $pattern: $*" >&2; cat $W/refused.log >&2; exit 1; }
}
skopeo_login() { skopeo login --tls-verify=false -u $USERNAME --password-stdin $R >/dev/null <<<"$PASSWORD"; }
seed() { skopeo copy -q --dest-tls-verify=false oci:$IMAGES:$1 docker://$R/$2; }
`;

/** Runs a bash script and tells its standard output; throws with everything it printed when it fails or takes too long. */
export function runScript(
  script: string,
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  return new Promise((resolve, reject) => {
    // A process group of its own, so that the limit ends what the script started, too.
    const child = spawn("bash", ["-euo", "pipefail", "-c", prelude + script], {
      cwd,
      env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const printed = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => (printed.stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (printed.stderr += text));
    const limit = setTimeout(() => {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    }, scriptLimitMs);
    child.once("error", reject);
    child.once("close", (code, signal) => {
      clearTimeout(limit);
      if (code === 0) resolve(printed.stdout);
      else
        reject(
          new Error(
            `the script ended with ${code ?? signal}\n--- stdout\n${printed.stdout}\n--- stderr\n${printed.stderr}`,
          ),
        );
    });
  });
}
