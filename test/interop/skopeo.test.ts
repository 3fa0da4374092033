import assert from "node:assert/strict";
import { test } from "node:test";
import { needs } from "./clients.ts";
import { openWorkplace } from "./workplace.ts";

const to = "--dest-tls-verify=false";
const from = "--src-tls-verify=false";
const at = "--tls-verify=false";

test("skopeo signs in with the right password only", needs("skopeo"), async (t) => {
  const place = await openWorkplace(t, "skopeo");
  await place.sh(`skopeo_login; seed tiny acme/private:1; skopeo logout $R >/dev/null
refused 'invalid username/password' skopeo login ${at} -u $USERNAME --password-stdin $R <<<wrong
refused 'unauthorized|authentication required' skopeo inspect ${at} docker://$R/acme/private:1
refused 'unauthorized|authentication required|denied' skopeo copy ${to} oci:$IMAGES:tiny docker://$R/acme/private:2`);
  place.assertSpoke(/^skopeo\//, "GET");
});

test("skopeo pushes a Debian image and pulls the same bytes", needs("skopeo"), async (t) => {
  const place = await openWorkplace(t, "skopeo");
  const output = await place.sh(`skopeo_login; seed deb acme/deb:12
skopeo copy -q ${from} docker://$R/acme/deb:12 oci:$W/back:deb
(cd back/blobs/sha256; for f in *; do echo "$f  $f"; done | sha256sum -c --quiet; ls | wc -l)
skopeo inspect ${at} --format '{{.Digest}} {{len .Layers}}' docker://$R/acme/deb:12
echo sha256:$(skopeo inspect --raw oci:back:deb | sha256sum | cut -d' ' -f1)
echo sha256:$(skopeo inspect --raw oci:$IMAGES:deb | sha256sum | cut -d' ' -f1)`);
  const [blobs, inspected, pulled, original] = output.split("\n");
  const served = await place.manifest("acme/deb", "12");
  assert.equal(served.digest, original, "the manifest is served byte for byte");
  assert.equal(pulled, original);
  assert.equal(inspected, `${original} 3`);
  assert.equal(blobs, "5", "the manifest, its config and three layers");
  place.assertSpoke(/^skopeo\//, "PUT");
});

test("skopeo mounts across repositories instead of sending again", needs("skopeo"), async (t) => {
  const place = await openWorkplace(t, "skopeo");
  await place.sh(`skopeo_login; seed tiny acme/a:1
skopeo copy -q ${from} ${to} docker://$R/acme/a:1 docker://$R/other/b:1`);
  const uploads = place.exchanges.filter(({ url }) => url.startsWith("/v2/other/b/blobs/uploads/"));
  const mounts = uploads.filter(({ url }) => /[?&]from=acme(%2F|\/)a/.test(url));
  assert.deepEqual(
    mounts.map(({ method, status }) => `${method} ${status}`),
    ["POST 201"],
  );
  const sent = uploads.filter(({ method }) => method === "PATCH");
  assert.equal(sent.length, 1, "only the config, which skopeo never mounts");
  assert.equal((await place.manifest("other/b", "1")).digest, (await place.manifest("acme/a", "1")).digest);
});

test("skopeo copies all platforms of an image, or the index alone", needs("skopeo"), async (t) => {
  const place = await openWorkplace(t, "skopeo");
  const output = await place.sh(`skopeo_login
skopeo copy -q --all ${to} oci:$IMAGES:multi docker://$R/acme/multi:1
skopeo copy -q --all ${from} docker://$R/acme/multi:1 oci:back:multi
skopeo copy -q --all ${from} ${to} --format v2s2 docker://$R/acme/multi:1 docker://$R/acme/multi:docker
skopeo copy -q --multi-arch index-only ${to} oci:$IMAGES:multi docker://$R/acme/multi:index
skopeo inspect --raw oci:$IMAGES:multi | sha256sum; skopeo inspect --raw oci:back:multi | sha256sum
skopeo --override-arch arm64 inspect ${at} --format '{{.Architecture}}' docker://$R/acme/multi:1`);
  const [original = "", back, architecture] = output.split("\n");
  assert.equal(back, original);
  assert.equal((await place.manifest("acme/multi", "1")).digest, `sha256:${original.slice(0, 64)}`);
  assert.equal((await place.manifest("acme/multi", "index")).digest, `sha256:${original.slice(0, 64)}`);
  assert.match((await place.manifest("acme/multi", "docker")).mediaType, /docker.*manifest\.list\.v2/);
  assert.equal(architecture, "arm64");
});

test("skopeo lists tags, copies by digest and deletes", needs("skopeo"), async (t) => {
  const place = await openWorkplace(t, "skopeo");
  const output = await place.sh(`skopeo_login; seed tiny acme/a:1; seed tiny acme/a:2; seed deb acme/a:deb
D=$(skopeo inspect ${at} --format '{{.Digest}}' docker://$R/acme/a:1)
skopeo copy -q ${from} ${to} docker://$R/acme/a@$D docker://$R/acme/c:1
skopeo list-tags ${at} docker://$R/acme/a
skopeo delete ${at} docker://$R/acme/a:1
refused 'manifest unknown' skopeo inspect ${at} docker://$R/acme/a:1
skopeo list-tags ${at} docker://$R/acme/a`);
  const tags = output.split("}\n").map((part) => part.replaceAll(/\s+/g, ""));
  assert.match(tags[0] ?? "", /\["1","2","deb"\]/);
  assert.match(tags[1] ?? "", /\["deb"\]/, "what is deleted is the manifest, with every tag that named it");
  await place.manifest("acme/c", "1");
  place.assertSpoke(/^skopeo\//, "DELETE");
});

test("skopeo pushes docker schema 2", needs("skopeo"), async (t) => {
  const place = await openWorkplace(t, "skopeo");
  await place.sh(`skopeo_login; seed tiny acme/a:1
skopeo copy -q ${to} --format v2s2 oci:$IMAGES:tiny docker://$R/acme/a:v2s2
skopeo copy -q ${from} docker://$R/acme/a:v2s2 oci:back:a`);
  const docker = await place.manifest("acme/a", "v2s2");
  assert.equal(docker.mediaType, "application/vnd.docker.distribution.manifest.v2+json");
  assert.match((await place.manifest("acme/a", "1")).mediaType, /oci\.image\.manifest/);
});

test("skopeo pushes zstd layers and pulls them", needs("skopeo"), async (t) => {
  // A registry that has no gzip form of the layer: skopeo would reuse that one.
  const place = await openWorkplace(t, "skopeo");
  await place.sh(`skopeo_login
skopeo copy -q --dest-decompress oci:$IMAGES:tiny dir:plain
skopeo copy -q ${to} --dest-compress-format zstd dir:plain docker://$R/acme/zstd:1
skopeo copy -q ${from} docker://$R/acme/zstd:1 oci:back:a`);
  assert.match((await place.manifest("acme/zstd", "1")).text, /tar\+zstd/);
});

test("skopeo syncs a repository to a folder and a folder to us", needs("skopeo"), async (t) => {
  const place = await openWorkplace(t, "skopeo");
  const output = await place.sh(`skopeo_login; seed tiny acme/a:1; seed deb acme/a:2
skopeo sync --scoped --src docker ${from} --dest dir $R/acme/a $W/synced >/dev/null 2>&1
find synced -name manifest.json | wc -l
skopeo sync --src dir --dest docker ${to} $W/synced/$R/acme $R/back >/dev/null 2>&1
skopeo list-tags ${at} docker://$R/back/a`);
  assert.match(output, /^2\n/);
  for (const tag of ["1", "2"]) {
    assert.equal((await place.manifest("back/a", tag)).digest, (await place.manifest("acme/a", tag)).digest);
  }
});

test("a schema 1 push is refused with a sentence", needs("skopeo"), async (t) => {
  const place = await openWorkplace(t, "skopeo");
  await place.sh(`skopeo_login
refused 'schema 1 is not supported|unsupported|invalid' skopeo copy -q ${to} --format v2s1 oci:$IMAGES:tiny docker://$R/acme/a:1`);
  assert.ok(place.exchanges.every(({ status }) => status < 500));
});
