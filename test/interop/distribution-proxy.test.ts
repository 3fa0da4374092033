import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { administrator, freePort } from "../support/server-process.ts";
import { needs, pathOf } from "./clients.ts";
import { openWorkplace } from "./workplace.ts";

test("docker-registry is a pull-through cache of us", needs("docker-registry", "skopeo"), async (t) => {
  const place = await openWorkplace(t, "skopeo");
  const port = await freePort();
  const file = join(place.folder, "proxy.yml");
  // Its settings are YAML, of which JSON is a part.
  writeFileSync(
    file,
    JSON.stringify({
      version: "0.1",
      storage: { filesystem: { rootdirectory: join(place.folder, "cached") } },
      http: { addr: `127.0.0.1:${port}`, secret: "secret" },
      proxy: { remoteurl: `http://${place.host}`, ...administrator },
    }),
  );
  // It takes every REGISTRY_… variable as a setting, and refuses to start for the one that skopeo reads.
  await place.startDaemon(
    ["/usr/bin/env", "-u", "REGISTRY_AUTH_FILE", pathOf("docker-registry"), "serve", file],
    `curl -fs http://127.0.0.1:${port}/v2/ >/dev/null`,
  );
  const pull = (image: string, folder: string) =>
    `skopeo copy -q --all --src-tls-verify=false docker://127.0.0.1:${port}/acme/${image} dir:${folder}; sha256sum < ${folder}/manifest.json`;
  const output = await place.sh(`skopeo_login; seed deb acme/deb:12
skopeo copy -q --all --dest-tls-verify=false oci:$IMAGES:multi docker://$R/acme/multi:1
${pull("deb:12", "deb")}
${pull("multi:1", "multi")}`);
  const [deb = "", multi = ""] = output.split("\n");
  assert.equal(`sha256:${deb.slice(0, 64)}`, (await place.manifest("acme/deb", "12")).digest);
  assert.equal(`sha256:${multi.slice(0, 64)}`, (await place.manifest("acme/multi", "1")).digest);

  const blobs = () =>
    place.exchanges.filter(({ url, method }) => method === "GET" && url.includes("/blobs/"));
  const before = blobs().length;
  await place.sh(pull("deb:12", "again"));
  assert.equal(blobs().length, before, "what it has cached it does not ask for again");

  const unknown = await fetch(`http://127.0.0.1:${port}/v2/acme/other/manifests/1`);
  assert.equal(unknown.status, 404);
  place.assertSpoke(/^Go-http-client\//, "GET");
});
