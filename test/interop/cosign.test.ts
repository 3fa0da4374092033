import assert from "node:assert/strict";
import { test } from "node:test";
import { needs } from "./clients.ts";
import { openWorkplace } from "./workplace.ts";

const prepare = `skopeo_login; seed tiny acme/tiny:1
mkdir -p $DOCKER_CONFIG; cp $REGISTRY_AUTH_FILE $DOCKER_CONFIG/config.json
D=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' docker://$R/acme/tiny:1); I=$R/acme/tiny@$D
H="--allow-http-registry --allow-insecure-registry"
echo '{"a":1}' > p.json
cosign generate-key-pair >/dev/null 2>&1; mv cosign.pub right.pub; mv cosign.key right.key
cosign generate-key-pair >/dev/null 2>&1; mv cosign.pub wrong.pub
verify() { cosign verify $H --insecure-ignore-tlog --key $1.pub $2 $I; }
verify_attestation() { cosign verify-attestation $H --insecure-ignore-tlog --key $1.pub --type custom $2 $I; }
`;

const versions = [
  ["cosign 2", "--tlog-upload=false", "cosign copy $H $I $R/other/tiny:1"],
  // Its signatures are referrers, which `cosign copy` leaves behind; it names oras as the way.
  [
    "cosign 3",
    "--tlog-upload=false --use-signing-config=false",
    "oras cp -r --from-plain-http --to-plain-http $I $R/other/tiny:1",
  ],
] as const;

for (const [version, offline, copy] of versions) {
  test(
    `${version} signs, attests and verifies, also a copy`,
    needs(version, "oras 1.3", "skopeo"),
    async (t) => {
      const place = await openWorkplace(t, version, "oras 1.3");
      const output = await place.sh(`${prepare}
refused 'no signatures|no matching' verify right ''
cosign sign -y $H ${offline} --key right.key $I 2>/dev/null
verify right '' 2>/dev/null
refused 'invalid signature|no matching|failed' verify wrong ''
cosign attest -y $H ${offline} --key right.key --type custom --predicate p.json $I 2>/dev/null
verify_attestation right '' >/dev/null 2>&1
refused 'invalid signature|no matching|failed' verify_attestation wrong ''
${copy} >/dev/null 2>&1
I=$R/other/tiny@$D; verify right '' >/dev/null 2>&1; verify_attestation right '' >/dev/null 2>&1
cosign tree $H $I | grep -c sha256: >/dev/null`);
      const { digest } = await place.manifest("acme/tiny", "1");
      assert.match(output, new RegExp(digest), "the verified payload names the manifest");
      place.assertSpoke(/^cosign\//, "PUT");
      place.assertSpoke(/^cosign\//, "GET");
    },
  );
}

test("cosign 2 signs by referrers instead of tags, and verifies", needs("cosign 2", "skopeo"), async (t) => {
  const place = await openWorkplace(t, "cosign 2");
  await place.sh(`${prepare}
export COSIGN_EXPERIMENTAL=1
cosign sign -y $H --tlog-upload=false --registry-referrers-mode oci-1-1 --key right.key $I 2>/dev/null
verify right --experimental-oci11 >/dev/null 2>&1
refused 'invalid signature|no matching|no signatures' verify wrong --experimental-oci11`);
  const { digest } = await place.manifest("acme/tiny", "1");
  const referrers = await place.session.request("GET", `/v2/acme/tiny/referrers/${digest}`);
  assert.match(await referrers.text(), /application\/vnd\.dev\.cosign/);
  const tags = await place.session.request("GET", "/v2/acme/tiny/tags/list");
  assert.match(await tags.text(), /"tags":\["1"\]/, "no signature tag was needed");
});

test("cosign 3 attests by a bundle that refers to the image", needs("cosign 3", "skopeo"), async (t) => {
  const place = await openWorkplace(t, "cosign 3");
  await place.sh(`${prepare}
cosign attest -y $H --tlog-upload=false --use-signing-config=false --new-bundle-format=true --key right.key --type custom --predicate p.json $I
verify_attestation right --new-bundle-format=true >/dev/null 2>&1
refused 'invalid signature|no matching|failed' verify_attestation wrong --new-bundle-format=true`);
  const { digest } = await place.manifest("acme/tiny", "1");
  const referrers = await place.session.request("GET", `/v2/acme/tiny/referrers/${digest}`);
  assert.match(await referrers.text(), /sigstore\.bundle/);
});
