import assert from "node:assert/strict";
import { test } from "node:test";
import { needs } from "./clients.ts";
import { openWorkplace } from "./workplace.ts";

const login =
  'echo "$PASSWORD" | skopeo login --tls-verify=false -u $USERNAME --password-stdin $R >/dev/null';
const to = "--dest-tls-verify=false";
const from = "--src-tls-verify=false";

test("skopeo signs in with the right password only", needs("skopeo"), async (t) => {
  const { sh } = await openWorkplace(t);
  await sh(login);
  await assert.rejects(
    sh("echo wrong | skopeo login --tls-verify=false -u $USERNAME --password-stdin $R"),
    /invalid username\/password/,
  );
  await assert.rejects(
    sh(`skopeo --override-os linux inspect --no-creds --tls-verify=false docker://$R/acme/private:1`),
    /unauthorized|authentication required/,
  );
});

test("skopeo pushes a Debian image and pulls the same bytes", needs("skopeo"), async (t) => {
  const place = await openWorkplace(t);
  const output = await place.sh(`${login}
skopeo copy -q ${to} oci:$CACHE/images/oci:deb docker://$R/acme/deb:12
skopeo inspect --raw --tls-verify=false docker://$R/acme/deb:12 | sha256sum
skopeo inspect --raw oci:$CACHE/images/oci:deb | sha256sum
skopeo copy -q ${from} docker://$R/acme/deb:12 oci:$W/back:deb
for f in $(ls $W/back/blobs/sha256); do echo "$f  $W/back/blobs/sha256/$f"; done | sha256sum -c --quiet
echo layers: $(skopeo inspect --tls-verify=false docker://$R/acme/deb:12 | grep -c '"sha256:.*",\\?$')`);
  const [ours, original] = output.split("\n");
  assert.equal(ours, original, "the manifest is served byte for byte");
  assert.ok(place.sawUserAgent(/skopeo/));
});

test("skopeo mounts across repositories, lists, copies by digest and deletes", needs("skopeo"), async (t) => {
  const place = await openWorkplace(t);
  const output = await place.sh(`${login}
skopeo copy -q ${to} oci:$CACHE/images/oci:tiny docker://$R/acme/a:1
skopeo copy -q ${from} ${to} docker://$R/acme/a:1 docker://$R/other/b:1
skopeo copy -q ${to} oci:$CACHE/images/oci:tiny docker://$R/other/b:2
skopeo list-tags --tls-verify=false docker://$R/other/b
D=$(skopeo inspect --raw --tls-verify=false docker://$R/other/b:1 | sha256sum | cut -d' ' -f1)
skopeo copy -q ${from} ${to} docker://$R/other/b@sha256:$D docker://$R/other/c:1
skopeo delete --tls-verify=false docker://$R/other/b:1
skopeo inspect --raw --tls-verify=false docker://$R/other/b:1 2>&1 && exit 1 || true
skopeo inspect --raw --tls-verify=false docker://$R/other/c:1 >/dev/null`);
  assert.match(output, /"1",\s+"2"/);
  assert.match(
    place.server.output(),
    /"method":"POST","path":"\/v2\/other\/b\/blobs\/uploads\/","endpoint":"uploads.begin","status":201/,
  );
});

test("skopeo pushes as docker schema 2, with zstd, and syncs", needs("skopeo"), async (t) => {
  const place = await openWorkplace(t);
  const output = await place.sh(`${login}
skopeo copy -q ${to} --format v2s2 oci:$CACHE/images/oci:tiny docker://$R/acme/a:v2s2
skopeo copy -q ${to} --dest-compress-format zstd oci:$CACHE/images/oci:tiny docker://$R/acme/zstd:1
skopeo inspect --raw --tls-verify=false docker://$R/acme/a:v2s2
skopeo sync --scoped --src docker --src-tls-verify=false --dest dir $R/acme/a $W/synced >/dev/null 2>&1
find $W/synced -name manifest.json | wc -l`);
  assert.match(output, /application\/vnd.docker.distribution.manifest.v2\+json/);
  assert.match(output, /}1\n$/);
});

test("a schema 1 push is refused with a sentence", needs("skopeo"), async (t) => {
  const { sh } = await openWorkplace(t);
  await sh(login);
  await assert.rejects(
    sh(`skopeo copy -q ${to} --format v2s1 oci:$CACHE/images/oci:tiny docker://$R/acme/a:v2s1`),
    /schema 1 is not supported|unsupported|invalid/,
  );
});
