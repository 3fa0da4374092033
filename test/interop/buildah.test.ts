import assert from "node:assert/strict";
import { test } from "node:test";
import { needs } from "./clients.ts";
import { openWorkplace } from "./workplace.ts";

const needed = needs("buildah", "containers", "skopeo");
const login = `buildah login --tls-verify=false -u $USERNAME --password-stdin $R`;

test("buildah builds from us, pushes, and keeps its cache here", needed, async (t) => {
  const place = await openWorkplace(t, "buildah");
  const output = await place.sh(`refused 'invalid username/password' ${login} <<<wrong
${login} <<<"$PASSWORD" >/dev/null; seed tiny acme/tiny:1
mkdir ctx; printf 'FROM %s/acme/tiny:1\\nRUN date +%%s%%N > /built\\n' $R > ctx/Dockerfile
build() { buildah bud --isolation chroot --tls-verify=false --layers --cache-to $R/acme/cache --cache-from $R/acme/cache -t $1 ctx >$2 2>&1; }
build $R/acme/built:1 first.log
buildah push -q --tls-verify=false --digestfile pushed $R/acme/built:1; cat pushed; echo
buildah push -q --tls-verify=false --format v2s2 $R/acme/built:1 docker://$R/acme/built:docker
buildah rmi -fa >/dev/null
build $R/acme/built:2 second.log
grep -ci 'cache pulled' second.log || { cat second.log >&2; exit 1; }
buildah push -q --tls-verify=false $R/acme/built:2
skopeo list-tags --tls-verify=false docker://$R/acme/cache | grep -cE '"[0-9a-f]{64}"'`);
  const built = await place.manifest("acme/built", "1");
  assert.equal(output.trim().split("\n")[0], built.digest);
  const layers = (text: string) =>
    [...text.matchAll(/"digest":"(sha256:\w+)"/g)].map((match) => match[1]).slice(1);
  const again = await place.manifest("acme/built", "2");
  assert.deepEqual(layers(again.text), layers(built.text), "the second build took the layer from the cache");
  const docker = await place.manifest("acme/built", "docker");
  assert.equal(docker.mediaType, "application/vnd.docker.distribution.manifest.v2+json");
  place.assertSpoke(/^[Bb]uildah\//, "PUT");
  place.assertSpoke(/^[Bb]uildah\//, "GET");
});

test("buildah pushes an image for two platforms in both formats", needed, async (t) => {
  const place = await openWorkplace(t, "buildah");
  await place.sh(`${login} <<<"$PASSWORD" >/dev/null
buildah manifest create localhost/multi >/dev/null
for arch in amd64 arm64; do
  c=$(buildah from --arch $arch scratch); echo $arch > arch; buildah copy -q $c arch /arch >/dev/null
  buildah config --arch $arch --os linux $c; buildah commit -q --rm $c localhost/bb:$arch >/dev/null
  buildah manifest add localhost/multi localhost/bb:$arch >/dev/null
done
push() { buildah manifest push -q --all --tls-verify=false "$@" >/dev/null; }
push localhost/multi docker://$R/acme/multi:oci
push --format v2s2 localhost/multi docker://$R/acme/multi:docker
for tag in oci docker; do skopeo copy -q --all --src-tls-verify=false docker://$R/acme/multi:$tag dir:$tag; cat $tag/manifest.json > $tag.json; done`);
  const index = await place.manifest("acme/multi", "oci");
  assert.equal(index.mediaType, "application/vnd.oci.image.index.v1+json");
  assert.match(index.text, /arm64/);
  const list = await place.manifest("acme/multi", "docker");
  assert.equal(list.mediaType, "application/vnd.docker.distribution.manifest.list.v2+json");
  place.assertSpoke(/^[Bb]uildah\//, "PUT");
});
