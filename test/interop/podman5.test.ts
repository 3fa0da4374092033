import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { needs } from "./clients.ts";
import { openWorkplace, type Workplace } from "./workplace.ts";

const needed = needs("podman 5", "containers");

/** Runs a script inside the root of the newer suite: its own mounts, the host's network, the same scratch folder. */
function inChroot(place: Workplace, script: string): Promise<string> {
  const settings =
    "W R USERNAME PASSWORD IMAGES REGISTRY_AUTH_FILE TMPDIR CONTAINERS_STORAGE_CONF CONTAINERS_CONF CONTAINERS_REGISTRIES_CONF".split(
      " ",
    );
  writeFileSync(join(place.folder, "inside.sh"), `set -euo pipefail\ncd $W\n${script}`);
  return place.sh(`
mkdir root; export ROOT=$W/root
unshare -m bash -euc '
  mount --make-rprivate /; mount --bind $CACHE/chroot $ROOT
  mount -t proc proc $ROOT/proc; mount --rbind /sys $ROOT/sys; mount --rbind /dev $ROOT/dev; mount -t tmpfs tmpfs $ROOT/run
  mount -t tmpfs tmpfs $ROOT/tmp; mkdir -p $ROOT$W $ROOT/tmp/images; mount --bind $W $ROOT$W; mount --bind $IMAGES $ROOT/tmp/images
  export IMAGES=/tmp/images
  exec chroot $ROOT /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=$W PODMAN_IGNORE_CGROUPSV1_WARNING=1 ${settings.map((name) => `${name}=$${name}`).join(" ")} bash $W/inside.sh'`);
}

test("podman 5 pulls parts of zstd:chunked layers by several ranges at once", needed, async (t) => {
  const place = await openWorkplace(t);
  // Two images share most files: of the second one only what is new is asked for.
  await inChroot(
    place,
    `podman login -u $USERNAME --password-stdin $R >/dev/null <<<"$PASSWORD"
mkdir -p one/data two/data
for i in $(seq 40); do head -c 60000 /dev/urandom > one/data/f$i; done
cp -a one/data/. two/data/; for i in 3 17 31; do head -c 60000 /dev/urandom > two/data/f$i; done
for n in one two; do
  tar -C $n -c . | podman import -q - $R/acme/$n:1 >/dev/null
  podman push -q --compression-format zstd:chunked --force-compression --digestfile $n.digest $R/acme/$n:1
done
podman rmi -fa >/dev/null
podman pull -q $R/acme/one:1; podman pull -q $R/acme/two:1
m=$(podman image mount $R/acme/two:1); diff -r two/data $m/data; podman image unmount $R/acme/two:1 >/dev/null; podman rmi -fa >/dev/null`,
  );
  const asked = place.exchanges.filter(({ range }) => /^bytes=\d+-\d+,/.test(range));
  assert.ok(asked.length > 0, "podman asked for several ranges of a layer at once");
  for (const { status, contentType } of asked) {
    assert.equal(status, 206);
    assert.match(contentType, /^multipart\/byteranges; *boundary=/);
  }
  assert.match((await place.manifest("acme/two", "1")).text, /tar\+zstd.*zstd-chunked\.manifest-checksum/);
  place.assertSpoke(/^(containers|libpod)\/5/, "PUT");
});

test("podman 5 pushes and pulls artifacts, and runs an image", needed, async (t) => {
  const place = await openWorkplace(t);
  const output = await inChroot(
    place,
    `podman login -u $USERNAME --password-stdin $R >/dev/null <<<"$PASSWORD"
refused() { if "$@" >/dev/null 2>&1; then echo "not refused: $*" >&2; exit 1; fi; }
refused podman login --authfile other.json -u $USERNAME --password-stdin $R <<<wrong
skopeo copy -q --dest-tls-verify=false oci:$IMAGES:tiny docker://$R/acme/tiny:1
podman run --rm --network none $R/acme/tiny:1 echo it runs
echo hello > file.txt; podman artifact add --type application/x.example $R/acme/file:1 file.txt >/dev/null
podman artifact push -q $R/acme/file:1 >/dev/null; podman artifact rm $R/acme/file:1 >/dev/null
podman artifact pull -q $R/acme/file:1 >/dev/null; podman artifact inspect $R/acme/file:1 | grep -c application/x.example >/dev/null
podman rmi -fa >/dev/null`,
  );
  assert.match(output, /it runs/);
  assert.match((await place.manifest("acme/file", "1")).text, /"artifactType":"application\/x\.example"/);
  place.assertSpoke(/^(containers|libpod)\/5/, "PUT");
});

test(
  "skopeo 1.18 signs, and a policy lets only what is signed pass",
  needs("skopeo 1.18", "containers"),
  async (t) => {
    const place = await openWorkplace(t);
    await inChroot(
      place,
      `skopeo login --tls-verify=false -u $USERNAME --password-stdin $R >/dev/null <<<"$PASSWORD"
printf secret > pass; skopeo generate-sigstore-key --output-prefix key --passphrase-file pass >/dev/null
mkdir -p registries.d; printf 'docker:\\n  %s:\\n    use-sigstore-attachments: true\\n' $R > registries.d/r.yaml
S="skopeo --registries.d $W/registries.d"
cat > policy.json <<T
{"default":[{"type":"reject"}],"transports":{"docker":{"$R":[{"type":"sigstoreSigned","keyPath":"$W/key.pub","signedIdentity":{"type":"matchRepository"}}]},"oci":{"":[{"type":"insecureAcceptAnything"}]}}}
T
$S copy -q --dest-tls-verify=false --sign-by-sigstore-private-key key.private --sign-passphrase-file pass oci:$IMAGES:tiny docker://$R/acme/signed:1
$S copy -q --dest-tls-verify=false oci:$IMAGES:multi docker://$R/acme/plain:1
$S --policy policy.json copy -q --src-tls-verify=false docker://$R/acme/signed:1 dir:back
if $S --policy policy.json copy -q --src-tls-verify=false docker://$R/acme/plain:1 dir:no 2>why; then echo "unsigned came through" >&2; exit 1; fi
grep -qi 'no signature' why || { cat why >&2; exit 1; }`,
    );
    const { digest } = await place.manifest("acme/signed", "1");
    await place.manifest("acme/signed", `${digest.replace(":", "-")}.sig`);
    place.assertSpoke(/^skopeo\/1\.18/, "PUT");
  },
);
