#!/bin/bash
# ceph.sh ROOT DIR PORT MONPORT OSDPORT: Ceph's S3 gateway over one monitor and one OSD in memory, on the loopback address only, in a process and
# mount namespace of its own: whoever ends this process ends all of it. ROOT is the unpacked system with the programs, DIR an empty folder.
# Prints READY. Debian's default class path is relative, and the OSD's own start-up updates race with the monitor: hence those lines.
set -u
ROOT=$1 DIR=$2 PORT=$3 MON=$4 OSD=$5
if [ "${6:-}" = "" ]; then
  exec unshare --mount --pid --fork --kill-child bash "$0" "$ROOT" "$DIR" "$PORT" "$MON" "$OSD" outside
fi
if [ "$6" = outside ]; then
  mount --make-rprivate / && mount --bind "$ROOT" "$ROOT" && mount -t proc proc "$ROOT/proc" || exit 1
  mount --rbind /sys "$ROOT/sys"
  mount --rbind /dev "$ROOT/dev"
  mount -t tmpfs tmpfs "$ROOT/run"
  mount -t tmpfs tmpfs "$ROOT/mnt" && mkdir "$ROOT/mnt/ceph" && mount --bind "$DIR" "$ROOT/mnt/ceph"
  cp "$0" "$ROOT/mnt/ceph.sh"
  exec chroot "$ROOT" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    bash /mnt/ceph.sh / /mnt/ceph "$PORT" "$MON" "$OSD" inside
fi
mkdir -p "$DIR"/{mon,osd0,run,log,rgw}
FSID=11111111-2222-3333-4444-666666666666
cat >"$DIR/ceph.conf" <<X
[global]
fsid = $FSID
mon_host = v1:127.0.0.1:$MON/0
mon_initial_members = a
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
public_network = 127.0.0.0/8
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_max_pg_per_osd = 2000
mon_allow_pool_size_one = true
mon_data_avail_crit = 1
ms_bind_msgr2 = false
run_dir = $DIR/run
log_file = $DIR/log/\$name.log
admin_socket = $DIR/run/\$name.asok
[mon.a]
mon_data = $DIR/mon/a
[osd.0]
osd_data = $DIR/osd0
osd_objectstore = memstore
osd_class_update_on_start = false
osd_crush_update_on_start = false
memstore_device_bytes = 2147483648
osd_class_dir = /usr/lib/$(uname -m)-linux-gnu/rados-classes
ms_bind_port_min = $OSD
ms_bind_port_max = $((OSD + 9))
[client.rgw.x]
rgw_frontends = beast endpoint=127.0.0.1:$PORT
rgw_data = $DIR/rgw
rgw_crypt_require_ssl = false
rgw_crypt_s3_kms_backend = testing
rgw_crypt_s3_kms_encryption_keys = registry-key=$(head -c 32 /dev/zero | tr '\0' k | base64)
X
C="-c $DIR/ceph.conf"
export CEPH_CONF=$DIR/ceph.conf
exec 3>&1 >"$DIR/log/start.log" 2>&1
monmaptool --create --fsid $FSID --addv a "[v1:127.0.0.1:$MON]" "$DIR/monmap"
ceph-mon $C -i a --mkfs --monmap "$DIR/monmap"
# A port that another program took meanwhile ends it here: what follows would speak to that one.
ceph-mon $C -i a || exit 1
U=$(cat /proc/sys/kernel/random/uuid)
timeout 20 ceph $C osd new "$U"
timeout 20 ceph $C osd crush add osd.0 1.0 root=default host=h
ceph-osd $C -i 0 --mkfs --osd-uuid "$U"
ceph-osd $C -i 0 || exit 1
for _ in $(seq 60); do timeout 5 ceph $C osd stat | grep -q '1 up' && break; sleep 0.3; done
radosgw $C -n client.rgw.x || exit 1
# It is the gateway that answers, and not whoever else took its port.
answers() {
  exec 4<>"/dev/tcp/127.0.0.1/$PORT" && printf 'GET / HTTP/1.0\r\n\r\n' >&4 && timeout 5 grep -q ListAllMyBuckets <&4
}
for _ in $(seq 100); do (answers) && break; sleep 0.2; done
(answers) || exit 1
# It hangs now and then, when it makes the pools while the gateway does; then it is there, or the next attempt makes it.
for _ in $(seq 6); do
  timeout 20 radosgw-admin $C user create --uid=entrepot --display-name=entrepot --access-key=tester --secret-key=testing >/dev/null ||
    timeout 20 radosgw-admin $C user info --uid=entrepot >/dev/null || continue
  echo READY >&3
  exec sleep infinity
done
exit 1
