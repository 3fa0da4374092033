import assert from "node:assert/strict";
import { test } from "node:test";
import { needs } from "./clients.ts";
import { openWorkplace } from "./workplace.ts";

test("umoci's images, without a mediaType, go there and back", needs("umoci", "skopeo"), async (t) => {
  const place = await openWorkplace(t, "umoci", "skopeo");
  const output = await place.sh(`skopeo_login
umoci init --layout here; umoci new --image here:x; umoci config --image here:x --config.label a=b
umoci unpack --image here:x bundle >/dev/null; echo new > bundle/rootfs/file; umoci repack --image here:x bundle >/dev/null
skopeo copy -q --preserve-digests --dest-tls-verify=false oci:here:x docker://$R/acme/umoci:1
skopeo copy -q --preserve-digests --src-tls-verify=false docker://$R/acme/umoci:1 oci:back:x
umoci unpack --image back:x again >/dev/null; cmp again/rootfs/file bundle/rootfs/file
umoci stat --image back:x >/dev/null
for layout in here back; do skopeo inspect --raw oci:$layout:x | sha256sum; done`);
  const [sent = "", received] = output.split("\n");
  assert.equal(received, sent);
  const served = await place.manifest("acme/umoci", "1");
  assert.equal(served.digest, `sha256:${sent.slice(0, 64)}`);
  assert.doesNotMatch(served.text, /"mediaType":"application\/vnd.oci.image.manifest/);
  assert.equal(served.mediaType, "application/vnd.oci.image.manifest.v1+json");
  place.assertSpoke(/^skopeo\//, "PUT");
});
