import assert from "node:assert/strict";
import { test } from "node:test";
import { needs } from "./clients.ts";
import { openWorkplace } from "./workplace.ts";

const policy = JSON.stringify({
  version: "1.0",
  trustPolicies: [
    {
      name: "all",
      registryScopes: ["*"],
      signatureVerification: { level: "strict" },
      trustStores: ["ca:test"],
      trustedIdentities: ["*"],
    },
  ],
});

for (const [way, option] of [
  ["referrers API", "--force-referrers-tag=false"],
  ["referrers tag", "--force-referrers-tag=true"],
] as const) {
  test(`notation signs and verifies by the ${way}`, needs("notation", "skopeo"), async (t) => {
    const place = await openWorkplace(t, "notation");
    const output = await place.sh(`skopeo_login; seed tiny acme/tiny:1
I=$R/acme/tiny@$(skopeo inspect --tls-verify=false --format '{{.Digest}}' docker://$R/acme/tiny:1)
export NOTATION_USERNAME=$USERNAME NOTATION_PASSWORD=$PASSWORD
notation cert generate-test --default test >/dev/null
echo '${policy}' > policy.json; notation policy import policy.json >/dev/null
refused 'no signature is associated' notation verify --insecure-registry $I
NOTATION_PASSWORD=wrong refused '401|unauthorized|denied' notation sign ${option} --insecure-registry $I
notation sign ${option} --insecure-registry $I >/dev/null
notation verify --insecure-registry $I; notation ls --insecure-registry $I`);
    assert.match(output, /Successfully verified/);
    const { digest } = await place.manifest("acme/tiny", "1");
    const tags = await (await place.session.request("GET", "/v2/acme/tiny/tags/list")).text();
    assert.equal(tags.includes(digest.replace(":", "-")), way === "referrers tag", tags);
    const referrers = await place.session.request("GET", `/v2/acme/tiny/referrers/${digest}`);
    assert.match(await referrers.text(), /application\/vnd\.cncf\.notary\.signature/);
    place.assertSpoke(/^notation\//, "PUT");
  });
}
