import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { cache, needs } from "./clients.ts";
import { openWorkplace } from "./workplace.ts";

const versions = [
  ["containerd", "/usr/bin"],
  ["containerd 2", join(cache, "forky/usr/bin")],
] as const;

for (const [client, folder] of versions) {
  test(
    `${client} pulls, runs and pushes, also through a mirror that names the source (ns)`,
    needs(client, "skopeo"),
    async (t) => {
      const place = await openWorkplace(t);
      const output = await place.sh(`
export PATH=${folder}:$PATH
echo "$PASSWORD" | skopeo login --tls-verify=false -u $USERNAME --password-stdin $R >/dev/null
skopeo copy -q --dest-tls-verify=false oci:$CACHE/images/oci:tiny docker://$R/acme/tiny:1
skopeo copy -q --dest-tls-verify=false oci:$CACHE/images/oci:tiny docker://$R/library/tiny:1
cat > ctd.toml <<T
version = 2
root = "$W/ctd/root"
state = "$W/ctd/state"
oom_score = 0
disabled_plugins = ["io.containerd.grpc.v1.cri","io.containerd.cri.v1.runtime","io.containerd.cri.v1.images","io.containerd.snapshotter.v1.devmapper","io.containerd.snapshotter.v1.zfs"]
[grpc]
address = "$W/c.sock"
T
containerd -c ctd.toml > ctd.log 2>&1 & P=$!
trap 'kill $P; wait $P 2>/dev/null; true' EXIT
C="ctr -a $W/c.sock"
for i in $(seq 80); do $C version >/dev/null 2>&1 && break; sleep 0.1; done
$C i pull --plain-http -u $USERNAME:$PASSWORD $R/acme/tiny:1 >/dev/null
$C run --rm $R/acme/tiny:1 c1 echo it runs
$C i tag $R/acme/tiny:1 $R/acme/again:1 >/dev/null
$C i push --plain-http -u $USERNAME:$PASSWORD $R/acme/again:1 >/dev/null
mkdir -p hosts/docker.io; printf 'server = "https://docker.io"\\n[host."http://%s"]\\n  capabilities = ["pull", "resolve"]\\n' $R > hosts/docker.io/hosts.toml
curl -sf -X PATCH -u $USERNAME:$PASSWORD -H 'content-type: application/json' -d '{"visibility":"public"}' http://$R/api/v1/repositories/library/tiny >/dev/null
$C i pull --hosts-dir hosts docker.io/library/tiny:1 >/dev/null
skopeo inspect --raw --tls-verify=false docker://$R/acme/again:1 | sha256sum; skopeo inspect --raw --tls-verify=false docker://$R/acme/tiny:1 | sha256sum`);
      assert.match(output, /it runs/);
      const [again, tiny] = output.trim().split("\n").slice(-2);
      assert.equal(again, tiny);
      assert.ok(place.sawUserAgent(/containerd/));
    },
  );
}

test(
  "docker-registry serves as a pull-through cache of us",
  needs("docker-registry", "skopeo"),
  async (t) => {
    const { sh } = await openWorkplace(t, { settings: { ENTREPOT_DEFAULT_VISIBILITY: "public" } });
    const output = await sh(`
echo "$PASSWORD" | skopeo login --tls-verify=false -u $USERNAME --password-stdin $R >/dev/null
skopeo copy -q --dest-tls-verify=false oci:$CACHE/images/oci:deb docker://$R/acme/deb:12
PORT=$(( $(echo $R | cut -d: -f2) % 20000 + 40000 ))
cat > reg.yml <<Y
version: 0.1
storage: {filesystem: {rootdirectory: $W/reg}}
http: {addr: "127.0.0.1:$PORT", secret: s}
proxy: {remoteurl: "http://$R", username: $USERNAME, password: $PASSWORD}
Y
env -u REGISTRY_AUTH_FILE docker-registry serve reg.yml > reg.log 2>&1 & P=$!
trap 'kill $P' EXIT
for i in $(seq 50); do curl -fs http://127.0.0.1:$PORT/v2/ >/dev/null && break; sleep 0.1; done
skopeo copy -q --src-tls-verify=false docker://127.0.0.1:$PORT/acme/deb:12 oci:back:deb
skopeo inspect --raw oci:back:deb | sha256sum; skopeo inspect --raw --tls-verify=false docker://$R/acme/deb:12 | sha256sum`);
    const [through, direct] = output.trim().split("\n").slice(-2);
    assert.equal(through, direct);
  },
);
