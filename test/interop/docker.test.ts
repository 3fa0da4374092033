import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { cache, needs } from "./clients.ts";
import { openWorkplace, withDockerd } from "./workplace.ts";

const seed = `
echo "$PASSWORD" | skopeo login --tls-verify=false -u $USERNAME --password-stdin $R >/dev/null
skopeo copy -q --dest-tls-verify=false oci:$CACHE/images/oci:deb docker://$R/acme/deb:12
skopeo copy -q --dest-tls-verify=false oci:$CACHE/images/oci:tiny docker://$R/acme/tiny:1`;

test("docker 20 signs in, pulls, runs, builds and pushes", needs("dockerd", "skopeo"), async (t) => {
  const place = await openWorkplace(t);
  const output = await place.sh(
    seed +
      withDockerd(
        "/usr/sbin/dockerd",
        `
! docker pull -q $R/acme/deb:12 2>/dev/null
echo "$PASSWORD" | docker login -u $USERNAME --password-stdin $R 2>/dev/null
! echo wrong | docker --config $W/other login -u $USERNAME --password-stdin $R 2>/dev/null
docker pull -q $R/acme/deb:12
docker run --rm --network none $R/acme/deb:12 cat /etc/debian_version
printf 'FROM %s/acme/tiny:1\\nRUN echo built > /built\\nCMD cat /built\\n' $R > $W/Dockerfile; mkdir $W/ctx; cp $W/Dockerfile $W/ctx/
DOCKER_BUILDKIT=0 docker build -q --network none -t $R/acme/built:1 $W/ctx >/dev/null 2>&1
docker push -q $R/acme/built:1
docker rmi $R/acme/built:1 >/dev/null; docker pull -q $R/acme/built:1; docker run --rm --network none $R/acme/built:1
docker logout $R >/dev/null; ! docker pull -q $R/acme/tiny:1 2>/dev/null`,
      ),
  );
  assert.match(output, /12\.\d+/);
  assert.match(output, /built/);
  assert.ok(place.sawUserAgent(/docker\/20/));
});

const dockerd28 = join(cache, "forky/usr/sbin/dockerd");

test(
  "docker 28 builds with provenance and keeps its build cache here, in both forms",
  needs("dockerd 28", "skopeo"),
  async (t) => {
    const place = await openWorkplace(t);
    const output = await place.sh(
      seed +
        withDockerd(
          dockerd28,
          `
echo "$PASSWORD" | docker login -u $USERNAME --password-stdin $R 2>/dev/null
printf 'FROM %s/acme/tiny:1\\nCOPY seed /seed\\n' $R > $W/Dockerfile; echo seed > $W/seed; mkdir -p $W/ctx; cp $W/Dockerfile $W/seed $W/ctx/
docker buildx build -q --provenance=mode=max --push -t $R/acme/app:1 --cache-to type=registry,ref=$R/acme/cache:index,mode=max $W/ctx
docker buildx prune -af >/dev/null
docker buildx build --provenance=false --push -t $R/acme/app:2 --cache-from type=registry,ref=$R/acme/cache:index --cache-to type=registry,ref=$R/acme/cache:manifest,mode=max,image-manifest=true,oci-mediatypes=true $W/ctx 2>&1 | grep -c CACHED
docker buildx imagetools inspect --raw $R/acme/app:1
docker run --rm --network none $R/acme/app:1 cat /seed`,
          '{"features":{"containerd-snapshotter":true}}',
        ),
    );
    assert.match(output, /attestation-manifest/, "the provenance is in the index");
    assert.match(output, /seed/);
    assert.ok(place.sawUserAgent(/containerd|buildkit|docker/i));
  },
);
