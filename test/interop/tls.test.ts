import assert from "node:assert/strict";
import { test } from "node:test";
import { type Client, needs } from "./clients.ts";
import { openTlsWorkplace } from "./workplace.ts";

const unknown = "unknown authority|certificate signed by unknown";
const user = "-u $USERNAME --password-stdin";

interface Case {
  readonly client: Client;
  /** Pushes `acme/image:1`; refused before, as the CA is not known. */
  readonly script: string;
  readonly userAgent: RegExp;
}

const cases: readonly Case[] = [
  {
    client: "skopeo",
    script: `refused '${unknown}' skopeo login ${user} $R <<<"$PASSWORD"
skopeo login --cert-dir $W/tls ${user} $R <<<"$PASSWORD"
skopeo copy -q --dest-cert-dir $W/tls oci:$IMAGES:tiny docker://$R/acme/image:1
skopeo copy -q --src-cert-dir $W/tls docker://$R/acme/image:1 dir:back`,
    userAgent: /^skopeo\//,
  },
  {
    client: "podman",
    script: `refused '${unknown}' podman login ${user} $R <<<"$PASSWORD"
podman login --cert-dir $W/tls ${user} $R <<<"$PASSWORD"
podman pull -q oci:$IMAGES:tiny >image
podman push -q --cert-dir $W/tls $(cat image) docker://$R/acme/image:1
podman rmi -fa; podman pull -q --cert-dir $W/tls $R/acme/image:1`,
    userAgent: /^(libpod|containers)\//,
  },
  {
    client: "crane",
    script: `skopeo copy -q oci:$IMAGES:tiny docker-archive:image.tar:acme/image:1
crane auth login $R -u $USERNAME -p $PASSWORD
refused '${unknown}' crane push image.tar $R/acme/image:1
export SSL_CERT_FILE=$W/tls/ca.crt
crane push image.tar $R/acme/image:1; crane validate --remote $R/acme/image:1`,
    userAgent: /^crane\/|go-containerregistry/,
  },
  {
    client: "oras",
    script: `refused '${unknown}' oras login ${user} $R <<<"$PASSWORD"
oras login --ca-file $W/tls/ca.crt ${user} $R <<<"$PASSWORD"
echo hello > file.txt; oras push --ca-file $W/tls/ca.crt $R/acme/image:1 file.txt
oras pull --ca-file $W/tls/ca.crt -o back $R/acme/image:1; cmp file.txt back/file.txt`,
    userAgent: /^oras\//,
  },
  {
    client: "helm",
    script: `refused '${unknown}' helm registry login ${user} $R <<<"$PASSWORD"
helm registry login --ca-file $W/tls/ca.crt ${user} $R <<<"$PASSWORD"
helm create image; helm package --version 1.0.0 image
helm push --ca-file $W/tls/ca.crt image-1.0.0.tgz oci://$R/acme
oras login --ca-file $W/tls/ca.crt ${user} $R <<<"$PASSWORD"; oras tag --ca-file $W/tls/ca.crt $R/acme/image:1.0.0 1
mkdir back; helm pull --ca-file $W/tls/ca.crt oci://$R/acme/image --version 1.0.0 -d back; cmp image-1.0.0.tgz back/image-1.0.0.tgz`,
    userAgent: /^Helm\//,
  },
];

for (const { client, script, userAgent } of cases) {
  test(`${client} speaks TLS to us when it is told the CA`, needs(client, "skopeo", "oras"), async (t) => {
    const place = await openTlsWorkplace(t, client, "oras");
    await place.sh(script);
    const { digest } = await place.manifest("acme/image", "1");
    assert.match(digest, /^sha256:/);
    place.assertSpoke(userAgent, "PUT");
    place.assertSpoke(userAgent, "GET");
  });
}
