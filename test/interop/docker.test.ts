import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { type Client, needs, pathOf } from "./clients.ts";
import { openWorkplace, type Workplace } from "./workplace.ts";

/** Starts an engine of its own that touches neither the machine's network nor its images. */
async function startDockerd(place: Workplace, client: Client, settings: object): Promise<void> {
  const { folder } = place;
  writeFileSync(join(folder, "engine.json"), JSON.stringify(settings));
  const folders = ["--data-root", join(folder, "dk"), "--exec-root", join(folder, "dx")];
  const network = ["--iptables=false", "--ip6tables=false", "--bridge=none"];
  const rest = ["--config-file", join(folder, "engine.json"), "--pidfile", join(folder, "dockerd.pid")];
  const socket = ["-H", `unix://${join(folder, "docker.sock")}`];
  await place.startDaemon(
    [pathOf(client), ...folders, ...network, ...rest, ...socket],
    "docker version >/dev/null 2>&1",
  );
}

const login = "docker login -u $USERNAME --password-stdin $R";

test(
  "docker 20 signs in with the right password only",
  needs("docker 20", "containers", "skopeo"),
  async (t) => {
    const place = await openWorkplace(t, "docker 20");
    await startDockerd(place, "docker 20", {});
    await place.sh(`skopeo_login; seed tiny acme/tiny:1
refused 'unauthorized|denied|authentication' docker pull -q $R/acme/tiny:1
refused 'unauthorized|denied|incorrect' ${login} <<<wrong
refused 'unauthorized|denied|authentication' docker pull -q $R/acme/tiny:1
${login} <<<"$PASSWORD" 2>/dev/null
docker pull -q $R/acme/tiny:1; docker rmi $R/acme/tiny:1
docker logout $R; refused 'unauthorized|denied|authentication' docker pull -q $R/acme/tiny:1`);
    place.assertSpoke(/^docker\/20\.10/, "GET");
  },
);

test("docker 20 pulls, runs, builds and pushes", needs("docker 20", "containers", "skopeo"), async (t) => {
  const place = await openWorkplace(t, "docker 20");
  await startDockerd(place, "docker 20", {});
  const output = await place.sh(`skopeo_login; seed deb acme/deb:12; seed tiny acme/tiny:1
skopeo copy -q --all --dest-tls-verify=false oci:$IMAGES:multi docker://$R/acme/multi:1
${login} <<<"$PASSWORD" >/dev/null 2>&1
docker pull -q $R/acme/deb:12 >/dev/null
docker inspect --format '{{index .RepoDigests 0}}' $R/acme/deb:12
docker run --rm --network none $R/acme/deb:12 sh -c 'cat /etc/motd; echo 6*7 | bc; test ! -e /usr/share/doc'
docker pull -q --platform linux/arm64 $R/acme/multi:1 >/dev/null; docker inspect --format '{{.Architecture}}' $R/acme/multi:1
mkdir ctx; printf 'FROM %s/acme/tiny:1\\nRUN echo built > /built\\nCMD cat /built\\n' $R > ctx/Dockerfile
docker build --network none -t $R/acme/built:1 ctx >build.log 2>&1 || { cat build.log >&2; exit 1; }
docker push $R/acme/built:1 | grep -oE 'sha256:[0-9a-f]{64}'
docker tag $R/acme/built:1 $R/other/built:1; docker push $R/other/built:1 | grep -c 'Mounted from'
docker image rm $R/acme/built:1 $R/other/built:1 >/dev/null; docker run --rm --network none $R/acme/built:1 2>/dev/null
skopeo copy -q --all --format v2s2 --dest-tls-verify=false oci:$IMAGES:multi docker://$R/acme/multi:docker
docker manifest inspect --insecure $R/acme/multi:docker | grep -c '"architecture"'`);
  const deb = await place.manifest("acme/deb", "12");
  const built = await place.manifest("acme/built", "1");
  assert.deepEqual(output.trim().split("\n"), [
    `${place.host}/acme/deb@${deb.digest}`,
    "x",
    "42",
    "arm64",
    built.digest,
    "2",
    "built",
    "2",
  ]);
  assert.equal(built.mediaType, "application/vnd.docker.distribution.manifest.v2+json");
  place.assertSpoke(/^docker\/20\.10/, "PUT");
});

test(
  "docker 20 uses us as its mirror of Docker Hub",
  needs("docker 20", "containers", "skopeo"),
  async (t) => {
    const place = await openWorkplace(t, "docker 20");
    await startDockerd(place, "docker 20", { "registry-mirrors": [`http://${place.host}`] });
    const output = await place.sh(`skopeo_login; seed tiny library/tiny:1
curl -sf -X PATCH -u $USERNAME:$PASSWORD -H 'content-type: application/json' -d '{"visibility":"public"}' http://$R/api/v1/repositories/library/tiny >/dev/null
docker pull -q tiny:1 >/dev/null; docker run --rm --network none tiny:1 echo it runs`);
    assert.equal(output, "it runs\n");
    place.assertSpoke(/^docker\/20\.10/, "GET");
  },
);

for (const snapshotter of [true, false]) {
  const store = snapshotter ? "with containerd's store" : "with its own store";
  test(`docker 28 ${store} pulls, runs and pushes`, needs("docker 28", "containers", "skopeo"), async (t) => {
    const place = await openWorkplace(t, "docker 28", "containerd 2");
    await startDockerd(place, "docker 28", { features: { "containerd-snapshotter": snapshotter } });
    const output = await place.sh(`skopeo_login; seed tiny acme/tiny:1
refused 'unauthorized|denied|incorrect' ${login} <<<wrong
${login} <<<"$PASSWORD" >/dev/null 2>&1
docker pull -q $R/acme/tiny:1 >/dev/null; docker run --rm --network none $R/acme/tiny:1 echo it runs
docker tag $R/acme/tiny:1 $R/acme/again:1; docker push -q $R/acme/again:1 >/dev/null
docker inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' $R/acme/again:1`);
    assert.match(output, /^it runs\n/);
    const { digest } = await place.manifest("acme/again", "1");
    assert.ok(output.includes(`${place.host}/acme/again@${digest}`), output);
    place.assertSpoke(/^docker\/28/, "PUT");
    place.assertSpoke(/^docker\/28/, "GET");
  });
}

test(
  "buildx builds with provenance and keeps its cache here, in both forms",
  needs("docker 28", "buildx", "containers", "skopeo"),
  async (t) => {
    const place = await openWorkplace(t, "docker 28", "containerd 2");
    await startDockerd(place, "docker 28", { features: { "containerd-snapshotter": true } });
    const plugins = resolve(dirname(pathOf("buildx")));
    const output = await place.sh(`skopeo_login; seed tiny acme/tiny:1
mkdir -p $DOCKER_CONFIG/cli-plugins; ln -s ${plugins}/docker-buildx $DOCKER_CONFIG/cli-plugins/
${login} <<<"$PASSWORD" >/dev/null 2>&1
mkdir ctx; printf 'FROM %s/acme/tiny:1\\nRUN --network=none date +%%s%%N > /built\\nCOPY seed /seed\\n' $R > ctx/Dockerfile; echo seed > ctx/seed
build() { docker buildx build --push "$@" ctx >build.log 2>&1 || { cat build.log >&2; exit 1; }; }
ref=type=registry,ref=$R/acme/cache
build --provenance=mode=max -t $R/acme/app:1 --cache-to $ref:index,mode=max,image-manifest=false
docker buildx prune -af >/dev/null
build --provenance=false -t $R/acme/app:2 --cache-from $ref:index --cache-to $ref:manifest,mode=max,image-manifest=true,oci-mediatypes=true
grep -c CACHED build.log; docker buildx prune -af >/dev/null
build --provenance=false -t $R/acme/app:3 --cache-from $ref:manifest; grep -c CACHED build.log
docker run --rm --network none $R/acme/app:1 cat /seed
docker buildx imagetools create -t $R/acme/app:copy $R/acme/app:1 >/dev/null 2>&1`);
    assert.deepEqual(output.trim().split("\n"), ["2", "2", "seed"], "RUN and COPY came from the cache");
    const app = await place.manifest("acme/app", "1");
    assert.equal(app.mediaType, "application/vnd.oci.image.index.v1+json");
    assert.match(app.text, /attestation-manifest/, "the provenance is in the index");
    const layer = /sha256:\w+/;
    const [second, third] = [await place.manifest("acme/app", "2"), await place.manifest("acme/app", "3")];
    assert.equal(layer.exec(second.text)?.[0], layer.exec(third.text)?.[0]);
    assert.match((await place.manifest("acme/cache", "index")).mediaType, /image\.index/);
    assert.match((await place.manifest("acme/cache", "manifest")).mediaType, /image\.manifest/);
    await place.manifest("acme/app", "copy");
    place.assertSpoke(/^(docker\/28|buildkit\/|containerd\/)/, "PUT");
  },
);
