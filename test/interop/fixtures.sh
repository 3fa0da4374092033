#!/usr/bin/env bash
# Makes the images of the interop tests from Debian packages: fixtures.sh FOLDER. What is complete is kept. The images are
#   oci:tiny   busybox                                   one layer
#   oci:deb    Debian, bc by apt, a whiteout             three layers
#   oci:multi  busybox for amd64 and arm64               an index
set -euo pipefail
[ -e "$1/complete" ] && exit 0
W=$1.new
rm -rf --one-file-system "$W"
mkdir -p "$W"
cd "$W"
# shellcheck disable=SC2016 # apt expands it
MIRROR=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' | grep -v security | sort -u | head -1)}

# The longest step goes first, beside the others.
mmdebstrap --quiet --variant=minbase bookworm base.tar "$MIRROR" &
BASE=$!

mkdir -p bb/{bin,etc,tmp,proc,sys,dev}
cp /bin/busybox bb/bin/
chroot bb /bin/busybox --install -s /bin
umoci init --layout oci
umoci new --image oci:tiny
umoci unpack --image oci:tiny b1 >/dev/null
cp -a bb/. b1/rootfs/
umoci repack --refresh-bundle --image oci:tiny b1 >/dev/null
umoci config --image oci:tiny --config.cmd /bin/sh --config.env PATH=/bin

# Another architecture's busybox; the program is never run, but it is the real one.
mkdir -p arm64/{lists/partial,cache/archives/partial}
echo "deb $MIRROR bookworm main" >arm64/sources.list
options=(-qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o "Dir::Etc::sourcelist=$W/arm64/sources.list" -o Dir::Etc::sourceparts=-
  -o "Dir::State::lists=$W/arm64/lists" -o "Dir::Cache=$W/arm64/cache" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root)
apt-get "${options[@]}" update
(cd arm64 && apt-get "${options[@]}" download busybox-static:arm64 && dpkg-deb -x busybox-static_*.deb root)
printf '[storage]\ndriver = "vfs"\nrunroot = "%s"\ngraphroot = "%s"\n' "$W/buildah/run" "$W/buildah/root" >storage.conf
export CONTAINERS_STORAGE_CONF=$W/storage.conf
buildah manifest create localhost/multi >/dev/null
for arch in amd64 arm64; do
  program=/bin/busybox
  [ $arch = arm64 ] && program=arm64/root/bin/busybox
  container=$(buildah from --arch $arch scratch)
  buildah copy -q "$container" $program /bin/sh >/dev/null
  buildah config --arch $arch --os linux --cmd /bin/sh "$container"
  buildah commit -q --rm "$container" "localhost/bb:$arch" >/dev/null
  buildah manifest add localhost/multi "localhost/bb:$arch" >/dev/null
done
buildah manifest push -q --all localhost/multi oci:"$W"/oci:multi >/dev/null
rm -rf --one-file-system arm64 buildah storage.conf

wait $BASE
umoci new --image oci:deb
umoci unpack --image oci:deb b2 >/dev/null
tar -C b2/rootfs -xf base.tar
umoci repack --refresh-bundle --image oci:deb b2 >/dev/null
umoci config --image oci:deb --config.cmd /bin/bash --config.env PATH=/usr/sbin:/usr/bin:/sbin:/bin
# umoci config made a new manifest: the bundle has to be unpacked from it anew.
rm -rf b2
umoci unpack --image oci:deb b2 >/dev/null
cp /etc/resolv.conf b2/rootfs/etc/
chroot b2/rootfs sh -c 'apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends bc >/dev/null 2>&1; rm -rf /var/lib/apt/lists/* /var/cache/apt/*'
umoci repack --refresh-bundle --image oci:deb b2 >/dev/null
rm -rf b2/rootfs/usr/share/doc
echo x >b2/rootfs/etc/motd
umoci repack --refresh-bundle --image oci:deb b2 >/dev/null
rm -rf b1 b2 base.tar
date -u +%Y-%m-%dT%H:%M:%SZ >complete
# Made beside its place, so that a run that was interrupted leaves nothing half done.
rm -rf --one-file-system "$1"
mv "$W" "$1"
