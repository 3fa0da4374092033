import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { needs } from "./clients.ts";
import { openWorkplace } from "./workplace.ts";

test("helm signs in, pushes, shows and pulls a chart", needs("helm"), async (t) => {
  const place = await openWorkplace(t, "helm");
  const output = await place.sh(`
login() { helm registry login --plain-http -u $USERNAME --password-stdin $R; }
helm create mychart >/dev/null; helm package mychart >/dev/null
refused '401|unauthorized|denied|basic credential' helm push --plain-http mychart-0.1.0.tgz oci://$R/charts
refused '401|unauthorized|denied' login <<<wrong
login <<<"$PASSWORD" 2>/dev/null
helm push --plain-http mychart-0.1.0.tgz oci://$R/charts 2>&1
mkdir back; helm pull --plain-http oci://$R/charts/mychart --version 0.1.0 -d back 2>&1
cmp mychart-0.1.0.tgz back/mychart-0.1.0.tgz
helm pull --plain-http oci://$R/charts/mychart --version '>=0.1.0' -d $W 2>&1
helm show chart --plain-http oci://$R/charts/mychart 2>/dev/null
helm registry logout $R 2>/dev/null
refused '401|unauthorized|denied|basic credential' helm pull --plain-http oci://$R/charts/mychart --version 0.1.0 -d $W`);
  const chart = await place.manifest("charts/mychart", "0.1.0");
  assert.match(output, new RegExp(`Digest: ${chart.digest}`), "helm told the digest that we serve");
  const bytes = readFileSync(join(place.folder, "mychart-0.1.0.tgz"));
  assert.ok(chart.text.includes(createHash("sha256").update(bytes).digest("hex")));
  assert.match(output, /name: mychart/);
  place.assertSpoke(/^Helm\//, "PUT");
  place.assertSpoke(/^Helm\//, "GET");
});
