import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { startDecisionServer } from "@entrepot/server/identity/decision-points/testing/start-decision-server";
import { startIssuer } from "@entrepot/server/identity/federation/testing/oidc-issuer";
import {
  hasSlapd,
  people,
  personPassword,
  searcher,
  startSlapd,
} from "@entrepot/server/identity/providers/testing/start-slapd";
import { systemClock } from "@entrepot/server/lib/clock";
import { ask, basic, manage, textAt } from "../identity/two-instances.ts";
import { needs } from "./clients.ts";
import { startDocker } from "./start-docker.ts";
import { openWorkplaceWith, type Workplace } from "./workplace.ts";

/** What a client signs in with, and how it is taken back. */
interface Credential {
  readonly kind: string;
  readonly username: string;
  readonly secret: string;
  /** Where it may push. */
  readonly repository: string;
  revoke(): Promise<unknown>;
  /** What takes its place and is good afterwards, too. */
  readonly successor?: string;
}

const clients = ["skopeo", "podman", "docker 28", "containers"] as const;
const revocationLimitMs = 5_000;
const password = "correct horse battery staple";
/** Everything beside the registry is on this machine, where it calls out to nothing unless it is told to. */
const settings = { ENTREPOT_OUTGOING_ALLOWED_NETWORKS: "127.0.0.0/8" };
const makers = {
  "account of a directory (LDAP)": fromDirectory,
  "account that a decision point answers for": fromDecisionPoint,
  "credential exchanged by a trust rule for a CI system's token": fromTrustRule,
  "encrypted client password": fromClientPassword,
  "old secret of a robot, during the grace of its rotation": fromRotation,
} as const;

for (const [kind, make] of Object.entries(makers)) {
  test(
    `skopeo, podman and docker sign in, push and pull, and are refused once it is taken back: ${kind}`,
    needs(...clients),
    async (t) => {
      if (make === fromDirectory && !(await hasSlapd())) return t.skip("slapd is not installed");
      const place = await openWorkplaceWith(t, settings, "docker 28");
      await startDocker(place);
      const origin = `http://${place.host}`;
      await manage(origin, "POST", "/api/v1/organizations", { name: "acme" });
      await manage(origin, "POST", "/api/v1/organizations/acme/repositories", { name: "acme/tiny" });
      const credential = await make(t, origin);
      await useEverywhere(place, credential);
      await credential.revoke();
      t.diagnostic(`refused ${await untilRefused(origin, credential)} ms after it was taken back`);
      await refusedEverywhere(place, credential);
    },
  );
}

/** Each client pushes a tag of its own and pulls it again; all stay signed in. */
async function useEverywhere(place: Workplace, credential: Credential): Promise<void> {
  const { username, secret, repository } = credential;
  const output = await place.sh(`U='${username}'; S='${secret}'; I=$R/${repository}
refused 'unauthorized|invalid|denied|authentication' skopeo login --tls-verify=false -u "$U" --password-stdin $R <<<"wrong$S"
skopeo login --tls-verify=false -u "$U" --password-stdin $R <<<"$S" >/dev/null
skopeo copy -q --dest-tls-verify=false oci:$IMAGES:tiny docker://$I:skopeo
skopeo inspect --tls-verify=false --format '{{.Digest}}' docker://$I:skopeo >/dev/null; echo skopeo
podman login --tls-verify=false -u "$U" --password-stdin $R <<<"$S" >/dev/null
podman pull -q --tls-verify=false $I:skopeo >/dev/null; podman tag $I:skopeo $I:podman
podman push -q --tls-verify=false $I:podman >/dev/null; podman rmi -fa >/dev/null
podman pull -q --tls-verify=false $I:podman >/dev/null; podman rmi -fa >/dev/null; echo podman
docker login -u "$U" --password-stdin $R <<<"$S" >/dev/null 2>&1
docker pull -q $I:podman >/dev/null; docker tag $I:podman $I:docker; docker push -q $I:docker >/dev/null
docker rmi $I:podman $I:docker >/dev/null; docker pull -q $I:docker >/dev/null; docker rmi $I:docker >/dev/null; echo docker`);
  assert.deepEqual(output.trim().split("\n"), ["skopeo", "podman", "docker"], credential.kind);
  for (const userAgent of [/skopeo/i, /libpod|podman|containers/i, /docker/i])
    place.assertSpoke(userAgent, "PUT");
}

/** Milliseconds until the registry says no. */
async function untilRefused(origin: string, { kind, username, secret }: Credential): Promise<number> {
  const startedMs = performance.now();
  for (;;) {
    const { status } = await ask(origin, "GET", "/v2/", basic(username, secret));
    const tookMs = Math.round(performance.now() - startedMs);
    if (status === 401) return tookMs;
    assert.ok(tookMs < revocationLimitMs, `${kind} is still good after ${tookMs} ms: ${status}`);
    await wait(20);
  }
}

/** Neither those who are signed in get anything more, nor does anybody sign in anew. */
async function refusedEverywhere(place: Workplace, credential: Credential): Promise<void> {
  const { username, secret, repository, successor } = credential;
  const no = "unauthorized|invalid|denied|authentication|forbidden|please login";
  await place.sh(`U='${username}'; S='${secret}'; I=$R/${repository}
refused '${no}' skopeo inspect --tls-verify=false docker://$I:skopeo
refused '${no}' podman pull -q --tls-verify=false $I:podman
refused '${no}' docker pull -q $I:docker
refused '${no}' skopeo copy -q --dest-tls-verify=false oci:$IMAGES:tiny docker://$I:again
skopeo logout $R >/dev/null; docker logout $R >/dev/null
refused '${no}' skopeo login --tls-verify=false -u "$U" --password-stdin $R <<<"$S"
refused '${no}' podman login --tls-verify=false -u "$U" --password-stdin $R <<<"$S"
refused '${no}' docker login -u "$U" --password-stdin $R <<<"$S"`);
  if (successor === undefined) return;
  await place.sh(`docker login -u '${username}' --password-stdin $R <<<'${successor}' >/dev/null 2>&1
docker pull -q $R/${repository}:docker >/dev/null; docker logout $R >/dev/null
podman login --tls-verify=false -u '${username}' --password-stdin $R <<<'${successor}' >/dev/null
skopeo inspect --tls-verify=false docker://$R/${repository}:skopeo >/dev/null`);
}

async function fromDirectory(t: TestContext, origin: string): Promise<Credential> {
  const directory = await startSlapd(t);
  const provider = "/api/v1/sign-in-providers/corp";
  await manage(origin, "PUT", provider, {
    kind: "ldap",
    isEnabled: true,
    settings: {
      url: directory.url,
      startTls: true,
      caCertificate: directory.caCertificate,
      bindDn: searcher.bindDn,
      userBases: [people],
      userFilter: "(objectClass=inetOrgPerson)",
      timeoutSeconds: 20,
    },
    policy: {},
    secrets: { bindPassword: searcher.bindPassword },
  });
  const secret = personPassword("alan");
  // The account is there with the first sign-in.
  const first = await ask(origin, "GET", "/api/v1/me", basic("alan", secret));
  assert.equal(first.status, 200, first.text);
  await grant(origin, "alan");
  return {
    kind: "directory",
    username: "alan",
    secret,
    repository: "acme/tiny",
    async revoke() {
      await directory.remove(`uid=alan,${people}`);
      await manage(origin, "POST", `${provider}/sync`);
    },
  };
}

async function fromDecisionPoint(t: TestContext, origin: string): Promise<Credential> {
  const secret = "a-secret-of-the-platform-that-decides";
  const platform = await startDecisionServer(t, systemClock, secret);
  // Kept for longer than the test takes: only what is taken back is asked for anew.
  platform.ttlSeconds = 300;
  platform.credentials.set("alice wonderland", "1");
  platform.creations.add("1 syn/tool");
  platform.rights.set("1 syn/tool", ["pull", "push"]);
  const points = "/api/v1/decision-points";
  await manage(origin, "POST", points, { name: "platform", pattern: "syn/**", url: platform.url, secret });
  return {
    kind: "decision point",
    username: "alice",
    secret: "wonderland",
    // It is not there: the platform allows its first push.
    repository: "syn/tool",
    async revoke() {
      platform.credentials.clear();
      platform.rights.clear();
      await manage(origin, "POST", `${points}/platform/invalidate`, { all: true });
    },
  };
}

async function fromTrustRule(t: TestContext, origin: string): Promise<Credential> {
  const forge = await startIssuer(t, systemClock);
  const robot = await manage(origin, "POST", "/api/v1/organizations/acme/robots", { name: "ci" });
  const subject = textAt(robot, "robot", "username");
  await grant(origin, subject);
  const rules = "/api/v1/organizations/acme/trust-rules";
  const audience = "https://registry.example.org";
  await manage(origin, "POST", rules, {
    name: "forge",
    issuer: forge.issuer,
    certificateAuthority: forge.certificateAuthority,
    audience,
    claims: [
      { claim: "repository", equals: "octo/app" },
      { claim: "ref", matches: "refs/heads/*" },
    ],
    subject,
  });
  const claims = { sub: "repo:octo/app:ref:refs/heads/main", repository: "octo/app", ref: "refs/heads/main" };
  const exchange = async (more: Readonly<Record<string, unknown>>) =>
    ask(origin, "POST", "/api/v1/federation/token", undefined, {
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      subject_token: await forge.sign({ ...claims, aud: audience, jti: "1", ...more }),
      rule: "acme/forge",
    });
  assert.equal((await exchange({ repository: "octo/other" })).status, 401);
  const got = await exchange({});
  assert.equal(got.status, 200, got.text);
  const reply: unknown = JSON.parse(got.text);
  return {
    kind: "trust rule",
    username: textAt(reply, "username"),
    secret: textAt(reply, "access_token"),
    repository: "acme/tiny",
    revoke: () => manage(origin, "DELETE", `${rules}/forge`),
  };
}

async function fromClientPassword(_t: TestContext, origin: string): Promise<Credential> {
  await manage(origin, "POST", "/api/v1/users", { username: "ada", password });
  await grant(origin, "ada");
  const made = await manage(
    origin,
    "POST",
    "/api/v1/me/client-password",
    { password },
    basic("ada", password),
  );
  const secret = textAt(made, "secret");
  assert.equal(secret.includes(password), false);
  return {
    kind: "client password",
    username: "ada",
    secret,
    repository: "acme/tiny",
    revoke: () => manage(origin, "PATCH", "/api/v1/users/ada", { password: "another horse battery staple" }),
  };
}

async function fromRotation(_t: TestContext, origin: string): Promise<Credential> {
  const robots = "/api/v1/organizations/acme/robots";
  const made = await manage(origin, "POST", robots, { name: "ci" });
  const username = textAt(made, "robot", "username");
  await grant(origin, username);
  const oldId = textAt(made, "robot", "secrets", "0", "id");
  const rotated = await manage(origin, "POST", `${robots}/ci/rotate`, { graceSeconds: 600 });
  return {
    kind: "old secret",
    username,
    secret: textAt(made, "secret"),
    successor: textAt(rotated, "secret"),
    repository: "acme/tiny",
    revoke: () => manage(origin, "DELETE", `${robots}/ci/secrets/${oldId}`),
  };
}

async function grant(origin: string, username: string): Promise<void> {
  const path = `/api/v1/repositories/acme/tiny/-/grants/users/${encodeURIComponent(username)}`;
  await manage(origin, "PUT", path, { role: "write" });
}
