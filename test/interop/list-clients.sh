#!/usr/bin/env bash
# Looks which clients are installed and run here, and prints them as JSON: {name: {version, path} | {skip: reason}}.
# Part of install-clients.sh, which sets CACHE.
set -uo pipefail
lines=()
text() { tr -d '"\\' | tr -s '[:space:][:cntrl:]' ' ' | cut -c1-200; }
have() { lines+=("\"$1\": {\"version\": \"$(printf %s "$2" | text)\", \"path\": \"$3\"}"); }
skip() { lines+=("\"$1\": {\"skip\": \"$(printf %s "$2" | text)\"}"); }

# client NAME PATH LOG VERSION-COMMAND: a client counts only when it runs, so that a wrong C library is a skip.
client() {
  local name=$1 path=$2 log=$3 out
  shift 3
  if [ ! -x "$path" ]; then
    skip "$name" "not installed; the end of $log: $(tail -c 150 "$log" 2>/dev/null)"
  elif out=$("$@" 2>&1); then
    have "$name" "$(grep -oE 'v?[0-9]+\.[0-9]+(\.[0-9]+)?[^ ,]*' <<<"$out" | head -1)" "$path"
  else
    skip "$name" "does not run here: $out"
  fi
}
host() { client "$1" "$2" "$CACHE/apt.log" "$2" --version; }
# Debian's version is more telling than what some of these programs print; the program still has to run.
unpacked() {
  local name=$1 suite=$2 path="$CACHE/$2/usr/$3" package=$4 argument=$5
  client "$name" "$path" "$CACHE/$suite.log" bash -c '"$0" "$1" >/dev/null && cat "$2"' "$path" "$argument" "$CACHE/$suite/.got-$package"
}

for name in skopeo podman buildah umoci runc; do host $name "$(command -v $name || echo /usr/bin/$name)"; done
host docker-registry /usr/bin/docker-registry
host "docker 20" /usr/sbin/dockerd
host "containerd 1" /usr/bin/containerd
unpacked "docker 28" forky sbin/dockerd docker.io --version
unpacked buildx forky libexec/docker/cli-plugins/docker-buildx docker-buildx version
unpacked "containerd 2" forky bin/containerd containerd --version
unpacked crane forky bin/crane crane version
unpacked notation forky bin/notation notation version
unpacked oras trixie bin/oras oras version
unpacked "oras 1.3" forky bin/oras oras version
unpacked "cosign 2" trixie bin/cosign cosign version
unpacked "cosign 3" forky bin/cosign cosign version
in_chroot() { unshare -m bash -c 'mount --make-rprivate / && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$CACHE/chroot" "$@"; }
client "podman 5" "$CACHE/chroot/usr/bin/podman" "$CACHE/chroot.log" in_chroot podman --version
client "skopeo 1.18" "$CACHE/chroot/usr/bin/skopeo" "$CACHE/chroot.log" in_chroot skopeo --version
client helm "$CACHE/helm/helm/helm" "$CACHE/helm.log" "$CACHE/helm/helm/helm" version --short

if [ -e "$CACHE/images/complete" ]; then
  have images "$(cat "$CACHE/images/complete")" "$CACHE/images"
else
  skip images "could not be made; the end of $CACHE/images.log: $(tail -c 150 "$CACHE/images.log")"
fi

# Engines and builders need mounts, namespaces and cgroups, which a machine may forbid even to root: one real container tells.
probe() {
  local bundle status=1
  bundle=$(mktemp -d)
  mkdir -p "$bundle/rootfs" && cp -a "$CACHE/images/bb/." "$bundle/rootfs/" && cd "$bundle" && runc spec &&
    sed -i -e 's/"terminal": true/"terminal": false/' -e 's|"sh"|"/bin/true"|' config.json &&
    unshare -m bash -c 'mount --make-rprivate / && mount -t tmpfs tmpfs /mnt' &&
    timeout 20 runc --root "$bundle/state" run "probe-$$" && status=0
  rm -rf --one-file-system "$bundle"
  return $status
}
if out=$(probe 2>&1); then have containers "$(uname -r)" "$(command -v runc)"; else skip containers "this machine runs no container: $out"; fi

printf '{\n'
for i in "${!lines[@]}"; do printf '  %s%s\n' "${lines[$i]}" "$([ "$i" = $((${#lines[@]} - 1)) ] || echo ,)"; done
printf '}\n'
