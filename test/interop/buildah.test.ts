import assert from "node:assert/strict";
import { test } from "node:test";
import { needs } from "./clients.ts";
import { openWorkplace } from "./workplace.ts";

test("buildah builds from us and pushes, keeping its cache here", needs("buildah", "skopeo"), async (t) => {
  const place = await openWorkplace(t);
  const output = await place.sh(`
echo "$PASSWORD" | buildah login --tls-verify=false -u $USERNAME --password-stdin $R >/dev/null
skopeo copy -q --dest-tls-verify=false oci:$CACHE/images/oci:tiny docker://$R/acme/tiny:1
mkdir ctx; printf 'FROM %s/acme/tiny:1\\nRUN echo built > /built\\n' $R > ctx/Dockerfile
B="buildah bud --isolation chroot --tls-verify=false --layers --cache-to $R/acme/cache --cache-from $R/acme/cache"
$B -t $R/acme/built:1 ctx >/dev/null 2>&1
buildah push -q --tls-verify=false $R/acme/built:1
buildah push -q --tls-verify=false --format v2s2 $R/acme/built:1 docker://$R/acme/built:docker
buildah rmi -fa >/dev/null
$B -t $R/acme/built:2 ctx 2>&1 | grep -ci 'cache' || true
skopeo list-tags --tls-verify=false docker://$R/acme/cache | grep -c '"'
skopeo list-tags --tls-verify=false docker://$R/acme/built`);
  assert.match(output, /"docker"/);
  assert.ok(place.sawUserAgent(/[Bb]uildah|containers/));
});
