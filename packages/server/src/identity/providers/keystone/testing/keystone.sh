#!/usr/bin/env bash
# keystone.sh FOLDER PORT: a Keystone of its own in FOLDER, on 127.0.0.1:PORT, until its input ends. As root; prints READY. The administrator is admin / adminpw.
set -euo pipefail
W=$1 PORT=$2
cat >"$W/keystone.conf" <<X
[database]
connection = sqlite:///$W/keystone.db
[token]
provider = fernet
[fernet_tokens]
key_repository = $W/fernet
[credential]
key_repository = $W/cred
[oslo_messaging_notifications]
driver = noop
X
chown -R keystone "$W"
cd "$W"
manage() { runuser -u keystone -- keystone-manage --config-file "$W/keystone.conf" "$@" >>"$W/manage.log" 2>&1; }
manage db_sync
manage fernet_setup --keystone-user keystone --keystone-group keystone
manage credential_setup --keystone-user keystone --keystone-group keystone
URL=http://127.0.0.1:$PORT/v3/
manage bootstrap --bootstrap-password adminpw --bootstrap-public-url "$URL" --bootstrap-admin-url "$URL" --bootstrap-internal-url "$URL" --bootstrap-region-id RegionOne
runuser -u keystone -- uwsgi --plugin python3 --http-socket "127.0.0.1:$PORT" --wsgi-file /usr/bin/keystone-wsgi-public \
  --pyargv "--config-file $W/keystone.conf" --processes 1 --die-on-term >>"$W/uwsgi.log" 2>&1 &
SERVER=$!
trap 'kill "$SERVER" 2>/dev/null || true' EXIT
for _ in $(seq 600); do
  kill -0 "$SERVER" 2>/dev/null || { cat "$W/uwsgi.log" >&2; exit 1; }
  if (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; then
    echo READY
    cat >/dev/null
    exit 0
  fi
  sleep 0.1
done
exit 1
