import assert from "node:assert/strict";
import { test } from "node:test";
import { needs } from "./clients.ts";
import { openWorkplace } from "./workplace.ts";

const needed = needs("podman", "containers", "skopeo");

test("podman 4 signs in with the right password only", needed, async (t) => {
  const place = await openWorkplace(t, "podman");
  await place.sh(`skopeo_login; seed tiny acme/tiny:1; skopeo logout $R >/dev/null
refused 'unauthorized|authentication required|denied' podman pull -q $R/acme/tiny:1
refused 'invalid username/password' podman login -u $USERNAME --password-stdin $R <<<wrong
podman login -u $USERNAME --password-stdin $R <<<"$PASSWORD"
podman pull -q $R/acme/tiny:1
podman logout $R; podman rmi -fa >/dev/null
refused 'unauthorized|authentication required|denied' podman pull -q $R/acme/tiny:1`);
  place.assertSpoke(/^(containers|libpod)\//, "GET");
});

test("podman 4 pulls, runs, pushes and searches", needed, async (t) => {
  const place = await openWorkplace(t, "podman");
  const output = await place.sh(`skopeo_login; seed tiny acme/tiny:1; seed deb acme/deb:12
podman pull -q $R/acme/deb:12 >/dev/null
podman inspect --format '{{.Digest}}' $R/acme/deb:12
podman run --rm --network none $R/acme/deb:12 sh -c 'cat /etc/motd; echo 6*7 | bc; test ! -e /usr/share/doc'
podman tag $R/acme/deb:12 $R/acme/again:1
podman push -q --digestfile pushed $R/acme/again:1; cat pushed; echo
podman push -q --format v2s2 $R/acme/deb:12 $R/acme/again:docker
podman rmi -fa >/dev/null; podman run --rm --network none $R/acme/again:docker echo docker runs
podman search --list-tags $R/acme/again | tail -n +2 | tr -s ' '
podman search --format '{{.Name}}' $R/acme`);
  const pulled = await place.manifest("acme/deb", "12");
  const pushed = await place.manifest("acme/again", "1");
  assert.deepEqual(output.trim().split("\n"), [
    pulled.digest,
    "x",
    "42",
    pushed.digest,
    "docker runs",
    `${place.host}/acme/again 1`,
    `${place.host}/acme/again docker`,
    `${place.host}/acme/again`,
    `${place.host}/acme/deb`,
    `${place.host}/acme/tiny`,
  ]);
  const docker = await place.manifest("acme/again", "docker");
  assert.equal(docker.mediaType, "application/vnd.docker.distribution.manifest.v2+json");
  place.assertSpoke(/^(containers|libpod)\//, "PUT");
});

test("podman 4 pulls by platform, and from us as a mirror of another registry", needed, async (t) => {
  const place = await openWorkplace(t, "podman");
  const output = await place.sh(`skopeo_login; seed tiny library/tiny:1
skopeo copy -q --all --dest-tls-verify=false oci:$IMAGES:multi docker://$R/acme/multi:1
for arch in amd64 arm64; do podman pull -q --arch $arch $R/acme/multi:1 >/dev/null; podman inspect --format '{{.Architecture}}' $R/acme/multi:1; done
cat >> $CONTAINERS_REGISTRIES_CONF <<T
[[registry]]
prefix = "upstream.test"
location = "127.0.0.1:9"
[[registry.mirror]]
location = "$R"
insecure = true
T
podman pull -q upstream.test/library/tiny:1 >/dev/null
podman run --rm --network none upstream.test/library/tiny:1 echo it runs`);
  assert.equal(output, "amd64\narm64\nit runs\n");
});
