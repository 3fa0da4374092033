import assert from "node:assert/strict";
import { test } from "node:test";
import { needs } from "./clients.ts";
import { openWorkplace } from "./workplace.ts";

const prepare = `skopeo_login; seed deb acme/deb:12; seed tiny acme/tiny:1
skopeo copy -q --all --dest-tls-verify=false oci:$IMAGES:multi docker://$R/acme/multi:1
crane auth login $R -u $USERNAME -p $PASSWORD 2>/dev/null
crane() { command crane --insecure "$@"; }
`;

test("crane lists, copies with a mount, validates and deletes", needs("crane", "skopeo"), async (t) => {
  const place = await openWorkplace(t, "crane");
  const output = await place.sh(`${prepare}
crane catalog $R; crane ls $R/acme/deb
crane copy $R/acme/deb:12 $R/other/copy:1 2>/dev/null
crane digest $R/other/copy:1
crane tag $R/other/copy:1 two; crane ls $R/other/copy
crane validate --remote $R/other/copy:1
crane delete $R/other/copy@$(crane digest $R/other/copy:1)
refused MANIFEST_UNKNOWN crane manifest $R/other/copy:two`);
  const { digest } = await place.manifest("acme/deb", "12");
  assert.deepEqual(
    output
      .replace(/PASS.*\n/, "PASS\n")
      .trim()
      .split("\n"),
    ["acme/deb", "acme/multi", "acme/tiny", "12", digest, "1", "two", "PASS"],
  );
  assert.ok(
    place.exchanges.some(
      ({ method, url, status }) => `${method} ${status}` === "POST 201" && /[?&]mount=/.test(url),
    ),
    "the layers were mounted",
  );
  place.assertSpoke(/^crane\/|go-containerregistry/, "PUT");
  place.assertSpoke(/^crane\/|go-containerregistry/, "DELETE");
});

test(
  "crane pulls and pushes images and indexes without changing them",
  needs("crane", "skopeo"),
  async (t) => {
    const place = await openWorkplace(t, "crane");
    await place.sh(`${prepare}
crane pull --format oci $R/acme/multi:1 multi; crane push --index multi $R/other/multi:1 >/dev/null 2>&1
crane copy $R/acme/multi:1 $R/third/multi:1 2>/dev/null
crane pull $R/acme/deb:12 deb.tar; crane push deb.tar $R/other/deb:1 >/dev/null 2>&1; crane validate --remote $R/other/deb:1
crane append -b $R/acme/tiny:1 -f <(tar -cf - -C /etc hostname) -t $R/other/more:1 >/dev/null 2>&1; crane validate --remote $R/other/more:1
crane blob $R/acme/deb@$(crane manifest $R/acme/deb:12 | grep -oE 'sha256:[0-9a-f]{64}' | head -1) >/dev/null
[ "$(crane digest --platform linux/arm64 $R/acme/multi:1)" != "$(crane digest --platform linux/amd64 $R/acme/multi:1)" ]`);
    const { digest } = await place.manifest("acme/multi", "1");
    assert.equal((await place.manifest("third/multi", "1")).digest, digest);
    const pushed = await place.manifest("other/multi", "1");
    assert.match(pushed.text, new RegExp(digest), "the layout's own index is pushed around it");
  },
);

test("crane is refused with a wrong password", needs("crane", "skopeo"), async (t) => {
  const place = await openWorkplace(t, "crane");
  await place.sh(`skopeo_login; seed tiny acme/tiny:1; rm $REGISTRY_AUTH_FILE
refused 'UNAUTHORIZED|DENIED' crane --insecure ls $R/acme/tiny
crane auth login $R -u $USERNAME -p wrong 2>/dev/null
refused 'UNAUTHORIZED|DENIED' crane --insecure ls $R/acme/tiny`);
});
