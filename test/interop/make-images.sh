#!/usr/bin/env bash
# Makes the images of the interop tests from Debian packages: make-images.sh FOLDER
#   oci:tiny   busybox                  oci:deb    Debian with an apt layer and a whiteout layer
#   multi.oci  busybox for amd64 and arm64 (the content differs, the arm64 one is not run)
set -euo pipefail
W=$1
mkdir -p "$W"
cd "$W"
mkdir -p bb/{bin,etc,tmp,proc,sys,dev}
cp /bin/busybox bb/bin/
chroot bb /bin/busybox --install -s /bin
umoci init --layout oci
umoci new --image oci:tiny
umoci unpack --image oci:tiny b1 >/dev/null
cp -a bb/. b1/rootfs/
umoci repack --refresh-bundle --image oci:tiny b1 >/dev/null
umoci config --image oci:tiny --config.cmd /bin/sh --config.env PATH=/bin

MIRROR=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' | grep -v security | sort -u | head -1)
mmdebstrap --quiet --variant=minbase bookworm base.tar "$MIRROR"
umoci new --image oci:deb
umoci unpack --image oci:deb b2 >/dev/null
tar -C b2/rootfs -xf base.tar
umoci repack --refresh-bundle --image oci:deb b2 >/dev/null
umoci config --image oci:deb --config.cmd /bin/bash --config.env PATH=/usr/sbin:/usr/bin:/sbin:/bin
rm -rf b2
umoci unpack --image oci:deb b2 >/dev/null
cp /etc/resolv.conf b2/rootfs/etc/
chroot b2/rootfs sh -c 'apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends bc >/dev/null 2>&1; rm -rf /var/lib/apt/lists/* /var/cache/apt/*'
umoci repack --refresh-bundle --image oci:deb b2 >/dev/null
rm -rf b2/rootfs/usr/share/doc
echo x >b2/rootfs/etc/motd
umoci repack --refresh-bundle --image oci:deb b2 >/dev/null
rm -rf b1 b2 base.tar
