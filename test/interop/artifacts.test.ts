import assert from "node:assert/strict";
import { test } from "node:test";
import { needs } from "./clients.ts";
import { openWorkplace } from "./workplace.ts";

test("crane lists, copies, validates and deletes", needs("crane"), async (t) => {
  const place = await openWorkplace(t);
  const output = await place.sh(`
echo "$PASSWORD" | skopeo login --tls-verify=false -u $USERNAME --password-stdin $R >/dev/null
skopeo copy -q --dest-tls-verify=false oci:$CACHE/images/oci:deb docker://$R/acme/deb:12
crane auth login $R -u $USERNAME -p $PASSWORD 2>/dev/null
crane --insecure catalog $R; crane --insecure ls $R/acme/deb
crane --insecure copy $R/acme/deb:12 $R/acme/copy:1 2>/dev/null
[ "$(crane --insecure digest $R/acme/deb:12)" = "$(crane --insecure digest $R/acme/copy:1)" ] && echo same digest
crane --insecure validate --remote $R/acme/copy:1
crane --insecure tag $R/acme/copy:1 two; crane --insecure pull $R/acme/copy:1 $W/x.tar
crane --insecure delete $R/acme/copy@$(crane --insecure digest $R/acme/copy:1)
! crane --insecure manifest $R/acme/copy:two 2>/dev/null`);
  assert.match(output, /acme\/deb/);
  assert.match(output, /same digest/);
  assert.match(output, /PASS/);
  assert.ok(place.sawUserAgent(/crane|go-containerregistry/));
});

test(
  "oras pushes, attaches and discovers by the referrers API and by the referrers tag",
  needs("oras"),
  async (t) => {
    const place = await openWorkplace(t);
    const output = await place.sh(`
echo "$PASSWORD" | oras login --plain-http -u $USERNAME --password-stdin $R >/dev/null
mkdir -p $W/a $W/b; cd $W/a; echo hello > hello.txt; echo sbom > sbom.json
oras push --plain-http $R/acme/file:1 --artifact-type application/x.example hello.txt >/dev/null
oras attach --plain-http --distribution-spec v1.1-referrers-api --artifact-type application/x.sbom $R/acme/file:1 sbom.json >/dev/null
oras discover --plain-http --distribution-spec v1.1-referrers-api -o json $R/acme/file:1
oras attach --plain-http --distribution-spec v1.1-referrers-tag --artifact-type application/x.old $R/acme/file:1 sbom.json >/dev/null
echo NOW; oras discover --plain-http --distribution-spec v1.1-referrers-api -o json $R/acme/file:1
oras cp -r --from-plain-http --to-plain-http $R/acme/file:1 $R/other/file:1 >/dev/null
echo COPY; oras discover --plain-http -o json $R/other/file:1
cd $W/b; oras pull --plain-http $R/other/file:1 >/dev/null; cat hello.txt; oras repo tags --plain-http $R/acme/file`);
    const [api = "", both = ""] = output.split("NOW");
    assert.match(api, /application\/x.sbom/);
    assert.match(both, /application\/x.old/, "what an older client attached by tag is found by the API, too");
    assert.match(output.split("COPY")[1] ?? "", /application\/x.sbom/);
    assert.match(output, /hello/);
    assert.ok(place.sawUserAgent(/oras/));
  },
);

for (const version of ["cosign 2", "cosign 3"] as const) {
  test(`${version} signs, attests and verifies`, needs(version, "skopeo"), async (t) => {
    const path = version === "cosign 2" ? "$CACHE/trixie/usr/bin/cosign" : "$CACHE/forky/usr/bin/cosign";
    const offline =
      version === "cosign 2" ? "--tlog-upload=false" : "--tlog-upload=false --use-signing-config=false";
    const { sh } = await openWorkplace(t);
    const output = await sh(`
echo "$PASSWORD" | skopeo login --tls-verify=false -u $USERNAME --password-stdin $R >/dev/null
mkdir -p $DOCKER_CONFIG; cp $REGISTRY_AUTH_FILE $DOCKER_CONFIG/config.json
skopeo copy -q --dest-tls-verify=false oci:$CACHE/images/oci:tiny docker://$R/acme/tiny:1
I=$R/acme/tiny@sha256:$(skopeo inspect --raw --tls-verify=false docker://$R/acme/tiny:1 | sha256sum | cut -d' ' -f1)
H="--allow-http-registry --allow-insecure-registry"
${path} generate-key-pair >/dev/null 2>&1
! ${path} verify $H --insecure-ignore-tlog --key cosign.pub $I >/dev/null 2>&1
${path} sign -y $H ${offline} --key cosign.key $I 2>/dev/null
${path} verify $H --insecure-ignore-tlog --key cosign.pub $I 2>&1 | tail -3
echo '{"a":1}' > p.json; ${path} attest -y $H ${offline} --key cosign.key --type custom --predicate p.json $I 2>/dev/null
${path} verify-attestation $H --insecure-ignore-tlog --key cosign.pub --type custom $I 2>&1 | tail -2 | cut -c1-200
echo done`);
    assert.match(output, /done/);
  });
}

test("cosign signs by referrers instead of tags", needs("cosign 2", "skopeo"), async (t) => {
  const { sh } = await openWorkplace(t);
  const output = await sh(`
export COSIGN_EXPERIMENTAL=1
echo "$PASSWORD" | skopeo login --tls-verify=false -u $USERNAME --password-stdin $R >/dev/null
mkdir -p $DOCKER_CONFIG; cp $REGISTRY_AUTH_FILE $DOCKER_CONFIG/config.json
skopeo copy -q --dest-tls-verify=false oci:$CACHE/images/oci:tiny docker://$R/acme/tiny:1
D=sha256:$(skopeo inspect --raw --tls-verify=false docker://$R/acme/tiny:1 | sha256sum | cut -d' ' -f1)
C="$CACHE/trixie/usr/bin/cosign"; H="--allow-http-registry --allow-insecure-registry"
$C generate-key-pair >/dev/null 2>&1
$C sign -y $H --tlog-upload=false --registry-referrers-mode oci-1-1 --key cosign.key $R/acme/tiny@$D 2>/dev/null
curl -sf -u $USERNAME:$PASSWORD http://$R/v2/acme/tiny/referrers/$D
curl -sf -u $USERNAME:$PASSWORD http://$R/v2/acme/tiny/tags/list`);
  assert.match(output, /application\/vnd.dev.cosign/);
  assert.match(output, /"tags":\["1"\]/, "no signature tag was needed");
});

test("notation signs and verifies", needs("notation", "skopeo"), async (t) => {
  const place = await openWorkplace(t);
  const output = await place.sh(`
echo "$PASSWORD" | skopeo login --tls-verify=false -u $USERNAME --password-stdin $R >/dev/null
skopeo copy -q --dest-tls-verify=false oci:$CACHE/images/oci:tiny docker://$R/acme/tiny:1
I=$R/acme/tiny@sha256:$(skopeo inspect --raw --tls-verify=false docker://$R/acme/tiny:1 | sha256sum | cut -d' ' -f1)
export NOTATION_USERNAME=$USERNAME NOTATION_PASSWORD=$PASSWORD
notation cert generate-test --default test >/dev/null
cat > policy.json <<P
{"version":"1.0","trustPolicies":[{"name":"t","registryScopes":["*"],"signatureVerification":{"level":"strict"},"trustStores":["ca:test"],"trustedIdentities":["*"]}]}
P
notation policy import policy.json >/dev/null
! notation verify --insecure-registry $I >/dev/null 2>&1
notation sign --insecure-registry $I >/dev/null
notation verify --insecure-registry $I; notation ls --insecure-registry $I`);
  assert.match(output, /Successfully verified/);
  assert.ok(place.sawUserAgent(/notation/));
});

test("helm signs in, pushes and pulls a chart", needs("helm"), async (t) => {
  const place = await openWorkplace(t);
  const output = await place.sh(`
echo "$PASSWORD" | helm registry login --plain-http -u $USERNAME --password-stdin $R 2>/dev/null
! echo wrong | helm registry login --plain-http -u $USERNAME --password-stdin $R 2>/dev/null
echo "$PASSWORD" | helm registry login --plain-http -u $USERNAME --password-stdin $R 2>/dev/null
helm create mychart >/dev/null; helm package mychart >/dev/null
helm push --plain-http mychart-0.1.0.tgz oci://$R/charts 2>/dev/null
mkdir back; helm pull --plain-http oci://$R/charts/mychart --version 0.1.0 -d back 2>/dev/null
cmp mychart-0.1.0.tgz back/mychart-0.1.0.tgz && echo same
helm show chart --plain-http oci://$R/charts/mychart 2>/dev/null`);
  assert.match(output, /same/);
  assert.match(output, /name: mychart/);
  assert.ok(place.sawUserAgent(/Helm/));
});

test("umoci's images, without a mediaType, go there and back", needs("umoci", "skopeo"), async (t) => {
  const { sh } = await openWorkplace(t);
  const output = await sh(`
echo "$PASSWORD" | skopeo login --tls-verify=false -u $USERNAME --password-stdin $R >/dev/null
umoci init --layout l; umoci new --image l:x; umoci config --image l:x --config.label a=b
skopeo copy -q --preserve-digests --dest-tls-verify=false oci:l:x docker://$R/acme/umoci:1
skopeo copy -q --preserve-digests --src-tls-verify=false docker://$R/acme/umoci:1 oci:back:x
cmp l/index.json back/index.json || diff <(skopeo inspect --raw oci:l:x) <(skopeo inspect --raw oci:back:x) && echo same
umoci stat --image back:x >/dev/null`);
  assert.match(output, /same/);
});
