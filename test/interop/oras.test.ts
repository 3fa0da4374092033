import assert from "node:assert/strict";
import { test } from "node:test";
import { type Client, needs } from "./clients.ts";
import { openWorkplace } from "./workplace.ts";

const login = "oras login --plain-http -u $USERNAME --password-stdin $R";
const push = `mkdir a; cd a; echo hello > hello.txt; echo sbom > sbom.json
oras push --plain-http $R/acme/file:1 --artifact-type application/x.example hello.txt >/dev/null
attach() { oras attach --plain-http --distribution-spec $1 --artifact-type $2 $R/acme/file:1 sbom.json >/dev/null; }
discover() { oras discover --plain-http --distribution-spec $1 --format json $R/acme/file:1; echo NEXT; }
`;

for (const version of ["oras", "oras 1.3"] as const satisfies readonly Client[]) {
  test(`${version} pushes and pulls files, also copies with referrers`, needs(version), async (t) => {
    const place = await openWorkplace(t, version);
    const output = await place.sh(`refused '401|unauthorized|denied' ${login} <<<wrong
${login} <<<"$PASSWORD" >/dev/null
${push}
attach v1.1-referrers-api application/x.sbom
oras cp -r --from-plain-http --to-plain-http $R/acme/file:1 $R/other/file:1 >/dev/null
oras discover --plain-http --format json $R/other/file:1
mkdir b; cd b; oras pull --plain-http $R/other/file:1 >/dev/null; cmp hello.txt ../hello.txt
oras repo tags --plain-http $R/other/file; oras repo ls --plain-http $R
oras tag --plain-http $R/other/file:1 two >/dev/null; oras resolve --plain-http $R/other/file:two
oras manifest delete --plain-http -f $R/other/file:1 >/dev/null
refused 'not found' oras manifest fetch --plain-http $R/other/file:two`);
    const { digest } = await place.manifest("acme/file", "1");
    assert.match(output, /application\/x\.sbom/);
    assert.match(output, new RegExp(`\\n1\\nacme/file\\nother/file\\n${digest}\\n$`));
    place.assertSpoke(/^oras\//, "PUT");
    place.assertSpoke(/^oras\//, "GET");
  });

  test(`${version} attaches and discovers by API and by tag, side by side`, needs(version), async (t) => {
    const place = await openWorkplace(t, version);
    const output = await place.sh(`${login} <<<"$PASSWORD" >/dev/null
${push}
attach v1.1-referrers-api application/x.new; discover v1.1-referrers-api
attach v1.1-referrers-tag application/x.old; discover v1.1-referrers-tag; discover v1.1-referrers-api`);
    const [fresh = "", byTag = "", byApi = ""] = output.split("NEXT");
    assert.match(fresh, /application\/x\.new/);
    assert.match(byTag, /application\/x\.old/);
    assert.match(byApi, /application\/x\.new/);
    assert.match(
      byApi,
      /application\/x\.old/,
      "what an older client attached by tag is found by the API, too",
    );
    const { digest } = await place.manifest("acme/file", "1");
    await place.manifest("acme/file", digest.replace(":", "-"));
    const asked = place.exchanges.filter(({ url }) => url.includes(`/referrers/${digest}`));
    assert.ok(asked.some(({ status }) => status === 200));
  });
}
