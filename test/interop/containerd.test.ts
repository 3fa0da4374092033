import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { needs, pathOf } from "./clients.ts";
import { openWorkplace, type Workplace } from "./workplace.ts";

/** An engine without its Kubernetes half, which would need settings of the machine. */
function settings(folder: string): string {
  const off = [
    "grpc.v1.cri",
    "cri.v1.runtime",
    "cri.v1.images",
    "snapshotter.v1.devmapper",
    "snapshotter.v1.zfs",
    "snapshotter.v1.btrfs",
  ];
  return `version = 2
root = "${folder}/ctd/root"
state = "${folder}/ctd/state"
oom_score = 0
disabled_plugins = ${JSON.stringify(off.map((name) => `io.containerd.${name}`))}
[grpc]
address = "${folder}/c.sock"
`;
}

async function startContainerd(place: Workplace, program: string): Promise<void> {
  const file = join(place.folder, "containerd.toml");
  writeFileSync(file, settings(place.folder));
  await place.startDaemon([program, "-c", file], "ctr -a $W/c.sock version >/dev/null 2>&1");
}

for (const client of ["containerd 1", "containerd 2"] as const) {
  const needed = needs(client, "containers", "skopeo");

  test(`${client} pulls, runs and pushes with a password`, needed, async (t) => {
    const place = await openWorkplace(t, client);
    await startContainerd(place, join(dirname(pathOf(client)), "containerd"));
    const output = await place.sh(`skopeo_login; seed deb acme/deb:12
skopeo copy -q --all --dest-tls-verify=false oci:$IMAGES:multi docker://$R/acme/multi:1
ctr() { command ctr -a $W/c.sock "$@"; }
refused 'unauthorized|authorization failed|denied' ctr i pull --plain-http $R/acme/deb:12
refused 'unauthorized|authorization failed|denied' ctr i pull --plain-http -u $USERNAME:wrong $R/acme/deb:12
login="--plain-http -u $USERNAME:$PASSWORD"
ctr i pull $login $R/acme/deb:12 >/dev/null
ctr run --rm $R/acme/deb:12 c1 sh -c 'cat /etc/motd; echo 6*7 | bc; test ! -e /usr/share/doc'
ctr i tag $R/acme/deb:12 $R/other/deb:1 >/dev/null; ctr i push $login $R/other/deb:1 >/dev/null
ctr i pull $login --all-platforms $R/acme/multi:1 >/dev/null
ctr i tag $R/acme/multi:1 $R/other/multi:1 >/dev/null; ctr i push $login $R/other/multi:1 >/dev/null`);
    assert.equal(output, "x\n42\n");
    const same = async (repository: string, first: string, second: string) =>
      assert.equal(
        (await place.manifest(`other/${repository}`, second)).digest,
        (await place.manifest(`acme/${repository}`, first)).digest,
      );
    await same("deb", "12", "1");
    await same("multi", "1", "1");
    place.assertSpoke(/^containerd\//, "GET");
    place.assertSpoke(/^containerd\//, "PUT");
  });

  test(`${client} pulls from us as a mirror that is told the source`, needed, async (t) => {
    const place = await openWorkplace(t, client);
    await startContainerd(place, join(dirname(pathOf(client)), "containerd"));
    await place.sh(`skopeo_login; seed tiny library/tiny:1
curl -sf -X PATCH -u $USERNAME:$PASSWORD -H 'content-type: application/json' -d '{"visibility":"public"}' http://$R/api/v1/repositories/library/tiny >/dev/null
mkdir -p hosts/upstream.test
printf 'server = "http://127.0.0.1:9"\\n[host."http://%s"]\\n  capabilities = ["pull", "resolve"]\\n' $R > hosts/upstream.test/hosts.toml
ctr -a $W/c.sock i pull --hosts-dir $W/hosts upstream.test/library/tiny:1 >/dev/null`);
    const asked = place.exchanges.filter(({ url }) => /[?&]ns=upstream\.test/.test(url));
    assert.ok(asked.some(({ method, status }) => method === "GET" && status === 200));
  });
}
