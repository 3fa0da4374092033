import assert from "node:assert/strict";
import { test } from "node:test";
import { needs } from "./clients.ts";
import { startRecordingProxy } from "./recording-proxy.ts";
import { openWorkplace } from "./workplace.ts";

test("podman 4 signs in, pulls, runs, pushes and searches", needs("podman", "skopeo"), async (t) => {
  const place = await openWorkplace(t);
  const output = await place.sh(`
echo "$PASSWORD" | podman login -u $USERNAME --password-stdin $R >/dev/null
! echo wrong | podman login -u $USERNAME --password-stdin --authfile $W/x.json $R 2>/dev/null
skopeo copy -q --dest-tls-verify=false oci:$CACHE/images/oci:tiny docker://$R/acme/tiny:1
podman pull -q $R/acme/tiny:1
podman run --rm --network none $R/acme/tiny:1 echo it runs
podman tag $R/acme/tiny:1 $R/acme/again:1
podman push -q $R/acme/again:1
podman push -q --format v2s2 $R/acme/tiny:1 $R/acme/again:docker
podman search --list-tags $R/acme/again
podman search $R/acme`);
  assert.match(output, /it runs/);
  assert.match(output, /again\s+docker/);
  assert.match(output, /acme\/tiny/);
  assert.ok(place.sawUserAgent(/libpod\/4|containers\/5/));
});

test(
  "podman makes and pushes an image for two platforms, pulled by platform",
  needs("podman", "buildah"),
  async (t) => {
    const { sh } = await openWorkplace(t);
    const output = await sh(`
echo "$PASSWORD" | buildah login --tls-verify=false -u $USERNAME --password-stdin $R >/dev/null
for arch in amd64 arm64; do
  c=$(buildah from --arch $arch scratch); m=$(buildah mount $c); mkdir -p $m/bin; cp /bin/busybox $m/bin/sh; echo $arch > $m/arch; buildah umount $c >/dev/null
  buildah config --arch $arch --os linux --cmd /bin/sh $c; buildah commit -q --rm $c localhost/bb:$arch >/dev/null
done
buildah manifest create localhost/bb:multi >/dev/null
buildah manifest add localhost/bb:multi localhost/bb:amd64 >/dev/null; buildah manifest add localhost/bb:multi localhost/bb:arm64 >/dev/null
buildah manifest push -q --all --tls-verify=false localhost/bb:multi docker://$R/acme/multi:1 >/dev/null
buildah manifest push -q --all --format v2s2 --tls-verify=false localhost/bb:multi docker://$R/acme/multi:docker >/dev/null
podman rmi -fa >/dev/null
podman pull -q --arch arm64 $R/acme/multi:1 >/dev/null
podman inspect --format '{{.Architecture}}' $R/acme/multi:1`);
    assert.match(output, /arm64/);
  },
);

test(
  "podman 5 pulls parts of zstd:chunked layers, asking for several ranges at once",
  needs("podman 5", "skopeo"),
  async (t) => {
    const place = await openWorkplace(t);
    const proxy = await startRecordingProxy(place.host);
    t.after(() => proxy.close());
    // A second image that shares most files with the first: only what is new is asked for.
    await place.sh(`
R=${proxy.host}
printf '[[registry]]\\nlocation = "%s"\\ninsecure = true\\n' $R > $W/registries.conf
cat > $W/in.sh <<'IN'
set -e
export CONTAINERS_STORAGE_CONF=$W/storage.conf CONTAINERS_CONF=$W/containers.conf CONTAINERS_REGISTRIES_CONF=$W/registries.conf REGISTRY_AUTH_FILE=$W/auth5.json PODMAN_IGNORE_CGROUPSV1_WARNING=1 TMPDIR=$W
echo "$PASSWORD" | podman login -u $USERNAME --password-stdin $R >/dev/null
mkdir -p $W/one/data $W/two/data
for i in $(seq 40); do head -c 60000 /dev/urandom > $W/one/data/f$i; done
cp -a $W/one/data/. $W/two/data/; for i in 3 17 31; do head -c 60000 /dev/urandom > $W/two/data/f$i; done
for n in one two; do tar -C $W/$n -c . | podman import -q - $R/acme/$n:1 >/dev/null; podman push -q --compression-format zstd:chunked --force-compression $R/acme/$n:1; done
podman rmi -fa >/dev/null
podman pull -q $R/acme/one:1; podman pull -q $R/acme/two:1
IN
C=$W/root; mkdir -p $C
unshare -m bash -c "mount --make-rprivate /; mount --bind $CACHE/chroot $C; mount -t proc proc $C/proc; mount --rbind /sys $C/sys; mount --rbind /dev $C/dev; mount -t tmpfs tmpfs $C/run; mkdir -p $C$W; mount --bind $W $C$W; cp /etc/resolv.conf $C/etc/; exec chroot $C /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root W=$W R=$R USERNAME=$USERNAME PASSWORD=$PASSWORD bash $W/in.sh"`);
    const multi = proxy.exchanges.filter((exchange) => /bytes=\d+-\d+,/.test(exchange.range));
    assert.ok(multi.length > 0, "podman asked for several ranges of a layer at once");
    for (const exchange of multi) {
      assert.equal(exchange.status, 206);
      assert.match(exchange.contentType, /^multipart\/byteranges/);
    }
  },
);
