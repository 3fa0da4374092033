#!/bin/bash
# swift.sh DIR PORT: Swift with its S3 interface (user test:tester, key testing) on one node, on the loopback address only; storage servers on the next
# three ports, memcached on the fourth. In a process namespace of its own: whoever ends this process ends all of it. Prints READY.
set -u
DIR=$1 PORT=$2
if [ "${3:-}" = "" ]; then exec unshare --pid --fork --kill-child --mount-proc bash "$0" "$DIR" "$PORT" inside; fi
mkdir -p "$DIR"/{etc,node/sdb1,log}
i=0
for n in account container object; do
  i=$((i + 1))
  cat >"$DIR/etc/$n-server.conf" <<X
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $((PORT + i))
workers = 0
user = root
swift_dir = $DIR/etc
devices = $DIR/node
mount_check = false
fallocate_reserve = 0
disable_fallocate = true
[pipeline:main]
pipeline = $n-server
[app:$n-server]
use = egg:swift#$n
X
  (
    cd "$DIR/etc" || exit
    swift-ring-builder $n.builder create 8 1 1
    swift-ring-builder $n.builder add r1z1-127.0.0.1:$((PORT + i))/sdb1 1
    swift-ring-builder $n.builder rebalance
  ) >/dev/null
done
{
  cat <<X
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $PORT
workers = 0
user = root
swift_dir = $DIR/etc
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk tempurl s3api tempauth copy slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
s3_acl = false
min_segment_size = 5242880
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:$((PORT + 4))
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
[filter:tempurl]
use = egg:swift#tempurl
X
  for f in catch_errors gatekeeper healthcheck listing_formats bulk copy slo dlo symlink; do
    printf '[filter:%s]\nuse = egg:swift#%s\n' "$f" "$f"
  done
} >"$DIR/etc/proxy-server.conf"
printf '[swift-hash]\nswift_hash_path_suffix = entrepot\nswift_hash_path_prefix = tests\n' >"$DIR/etc/swift.conf"
export SWIFT_DIR=$DIR/etc
memcached -u nobody -l 127.0.0.1 -p $((PORT + 4)) &
for n in account container object proxy; do
  swift-$n-server "$DIR/etc/$n-server.conf" >"$DIR/log/$n.log" 2>&1 &
done
# Ready when all four servers work together: a container can be made.
ready() {
  local token
  token=$(curl -fsS -m 5 -D - -o /dev/null -H 'X-Auth-User: test:tester' -H 'X-Auth-Key: testing' "http://127.0.0.1:$PORT/auth/v1.0" |
    tr -d '\r' | sed -n 's/^X-Auth-Token: //p')
  [ -n "$token" ] && curl -fsS -m 5 -o /dev/null -X PUT -H "X-Auth-Token: $token" "http://127.0.0.1:$PORT/v1/AUTH_test/ready"
} 2>>"$DIR/log/ready.log"
for _ in $(seq 300); do
  if ready; then
    echo READY
    break
  fi
  sleep 0.25
done
wait
