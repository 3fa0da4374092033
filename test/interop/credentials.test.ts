import assert from "node:assert/strict";
import { test } from "node:test";
import { manage, textAt } from "../identity/two-instances.ts";
import { needs } from "./clients.ts";
import { startDocker } from "./start-docker.ts";
import { openWorkplace, type Workplace } from "./workplace.ts";

/** What a client signs in with. */
interface Credential {
  readonly kind: string;
  readonly username: string;
  readonly secret: string;
}

const password = "correct horse battery staple";

const clients = ["skopeo", "podman", "docker 28", "containers"] as const;

test(
  "skopeo, podman and docker sign in and pull with each kind of credential, and only what it is for",
  needs(...clients),
  async (t) => {
    const place = await openWorkplace(t, "docker 28");
    await place.sh(
      "skopeo_login; seed tiny acme/tiny:1; seed tiny other/tiny:1; skopeo logout $R >/dev/null",
    );
    await startDocker(place);
    for (const { kind, username, secret } of await makeCredentials(place)) {
      const output = await place.sh(`U='${username}'; S='${secret}'
refused 'unauthorized|invalid|denied|authentication' skopeo login --tls-verify=false -u "$U" --password-stdin $R <<<"wrong$S"
skopeo login --tls-verify=false -u "$U" --password-stdin $R <<<"$S" >/dev/null
skopeo inspect --tls-verify=false --format '{{.Name}}' docker://$R/acme/tiny:1
refused 'denied|unauthorized|authentication|forbidden' skopeo inspect --tls-verify=false docker://$R/other/tiny:1
skopeo logout $R >/dev/null
podman login --tls-verify=false -u "$U" --password-stdin $R <<<"$S" >/dev/null
podman pull -q --tls-verify=false $R/acme/tiny:1 >/dev/null; podman logout $R >/dev/null; podman rmi -fa >/dev/null; echo podman
docker login -u "$U" --password-stdin $R <<<"$S" >/dev/null 2>&1
docker pull -q $R/acme/tiny:1 >/dev/null; docker rmi $R/acme/tiny:1 >/dev/null; docker logout $R >/dev/null; echo docker`);
      assert.deepEqual(output.trim().split("\n"), [`${place.host}/acme/tiny`, "podman", "docker"], kind);
      t.diagnostic(`${kind}: ${username}`);
    }
  },
);

/** One of each kind, good for pulling from acme/. */
async function makeCredentials(place: Workplace): Promise<readonly Credential[]> {
  const origin = `http://${place.host}`;
  await manage(origin, "POST", "/api/v1/users", { username: "ada", password });
  await manage(origin, "PUT", "/api/v1/repositories/acme/tiny/-/grants/users/ada", { role: "read" });
  const ada = `Basic ${Buffer.from(`ada:${password}`).toString("base64")}`;
  const token = async (kind: string) =>
    textAt(await manage(origin, "POST", "/api/v1/me/access-tokens", { name: kind, kind }, ada), "secret");
  const robot = await manage(origin, "POST", "/api/v1/organizations/acme/robots", { name: "ci" });
  const robotName = textAt(robot, "robot", "username");
  await manage(
    origin,
    "PUT",
    `/api/v1/repositories/acme/tiny/-/grants/users/${encodeURIComponent(robotName)}`,
    {
      role: "read",
    },
  );
  const issuer = await manage(origin, "POST", "/api/v1/organizations/acme/issuers", {
    name: "shop",
    repositories: ["acme/**"],
    actions: ["pull"],
  });
  const issued = await manage(
    origin,
    "POST",
    "/api/v1/issued-credentials",
    { externalId: "customer 17", name: "c17" },
    `Bearer ${textAt(issuer, "secret")}`,
  );
  return [
    { kind: "password", username: "ada", secret: password },
    { kind: "personal access token", username: "ada", secret: await token("personal") },
    { kind: "application token", username: "ada", secret: await token("application") },
    { kind: "robot", username: robotName, secret: textAt(robot, "secret") },
    {
      kind: "credential made by an issuer",
      username: textAt(issued, "credential", "username"),
      secret: textAt(issued, "secret"),
    },
  ];
}
