#!/usr/bin/env bash
# Installs the object stores that the tests of the storage drivers run against, on a Debian 12 machine, as root: Ceph's gateway in a root of its
# own (it needs a newer C library), Swift on the host, Azurite from npm. May be repeated: what is there is kept. What cannot be had is no failure: its tests are
# skipped with that reason. No service is started, nothing is configured.
set -uo pipefail
CACHE="${ENTREPOT_TEST_CACHE:-${TMPDIR:-/tmp}/entrepot-test-cache}"
mkdir -p "$CACHE"
chmod 755 "$CACHE"
export DEBIAN_FRONTEND=noninteractive
# Two at once would undo each other's work.
exec 9>"$CACHE/.object-stores.lock"
flock 9
APT=(apt-get -qq -y -o DPkg::Lock::Timeout=300)
SWIFT=(swift swift-proxy swift-account swift-container swift-object memcached)

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "SKIP object stores: they are installed by apt, as root"
  exit 0
fi
# apt would start what it installs.
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
fi

mirror() {
  # shellcheck disable=SC2016 # apt expands it
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null | grep -v security | sort -u | head -1
}
if [ ! -x /usr/bin/swift-proxy-server ] || ! command -v mmdebstrap >/dev/null || [ -z "$(mirror)" ]; then
  timeout 120 "${APT[@]}" update || true
fi

make_ceph_root() {
  [ -x "$CACHE/ceph/usr/bin/radosgw" ] && return
  rm -rf --one-file-system "$CACHE/ceph.new"
  # shellcheck disable=SC2046 # one word
  timeout 600 mmdebstrap --quiet --variant=apt --include=ca-certificates,radosgw,ceph-mon,ceph-osd,ceph-common trixie \
    "$CACHE/ceph.new" "$(mirror)" && mv "$CACHE/ceph.new" "$CACHE/ceph"
}

command -v mmdebstrap >/dev/null || timeout 120 "${APT[@]}" install --no-install-recommends mmdebstrap >"$CACHE/mmdebstrap.log" 2>&1
make_ceph_root >"$CACHE/ceph.log" 2>&1 &
# Azurite comes from npm, outside the project: it has hundreds of packages, and only these tests need it.
get_azurite() {
  [ -f "$CACHE/azurite/node_modules/azurite/dist/src/blob/main.js" ] && return
  mkdir -p "$CACHE/azurite" && cd "$CACHE/azurite" && npm init -y &&
    timeout 600 npm install --no-audit --no-fund --ignore-scripts azurite@3.37.0
}
get_azurite >"$CACHE/azurite.log" 2>&1 &
# Only where Go is there already: nothing else here needs it, and a double stands in.
get_fake_gcs() {
  [ -x "$CACHE/bin/fake-gcs-server" ] && return
  mkdir -p "$CACHE/bin" "$CACHE/go" && GOBIN="$CACHE/bin" GOPATH="$CACHE/go" GOFLAGS=-modcacherw \
    timeout 600 go install github.com/fsouza/fake-gcs-server@v1.56.1
}
if command -v go >/dev/null; then get_fake_gcs >"$CACHE/fake-gcs.log" 2>&1 & fi
if [ ! -x /usr/bin/swift-proxy-server ] || [ ! -x /usr/bin/memcached ]; then
  timeout 300 "${APT[@]}" install --no-install-recommends "${SWIFT[@]}" >"$CACHE/swift.log" 2>&1
fi
wait

if [ -x "$CACHE/ceph/usr/bin/radosgw" ]; then
  echo "radosgw $(chroot "$CACHE/ceph" dpkg-query -W -f '${Version}' radosgw)"
else echo "SKIP radosgw: see $CACHE/ceph.log"; fi
if [ -x /usr/bin/swift-proxy-server ]; then
  echo "swift $(dpkg-query -W -f '${Version}' swift-proxy)"
else echo "SKIP swift: see $CACHE/swift.log"; fi
if [ -f "$CACHE/azurite/node_modules/azurite/dist/src/blob/main.js" ]; then echo "azurite 3.37.0"; else
  echo "SKIP azurite: see $CACHE/azurite.log"
fi
if [ -x "$CACHE/bin/fake-gcs-server" ]; then echo "fake-gcs-server"; else echo "SKIP fake-gcs-server: it needs Go"; fi
exit 0
