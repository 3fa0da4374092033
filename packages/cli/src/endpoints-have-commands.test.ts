import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, describe, it } from "node:test";
import { isObject } from "@entrepot/oci/json-object";
import { describeCommands } from "./completion/command-tree.ts";
import { createProgram } from "./program.ts";
import { type RecordingRegistry, startRecordingRegistry } from "./testing/recording-registry.ts";
import { runCli } from "./testing/run-cli.ts";
import { runInProcess } from "./testing/run-in-process.ts";

/** Command lines, and the endpoints that they use. FILE stands for a file with the JSON object {"name": "x"}. */
const commands: Readonly<Record<string, string>> = {
  "account identities": "me.identities.list",
  "account set --full-name Anna": "me.update",
  "account show": "me.get me.account",
  "account unlink 3": "me.identities.unlink",
  "access explain acme/app anna": "access.explain",
  "access ls acme/app": "access.list",
  "audit forwarders ls": "audit-forwarders.list",
  "audit forwarders rm siem": "audit-forwarders.delete",
  "audit forwarders set siem --https https://siem.example.org/": "audit-forwarders.set",
  "audit ls": "audit.list",
  "audit ls --namespace acme": "audit.list-of-namespace",
  "audit ls --repository acme/app": "audit.list-of-repository",
  "audit verify": "audit.verify",
  "credential create": "issued-credentials.create",
  "credential ls": "issued-credentials.list",
  "credential revoke-secret vendor.a 2": "issued-credentials.revoke-secret",
  "credential rm --label tier=free": "issued-credentials.revoke-by-label",
  "credential rm vendor.a": "issued-credentials.revoke",
  "credential rotate vendor.a": "issued-credentials.rotate",
  "credential set vendor.a --disable": "issued-credentials.update",
  "credential show vendor.a": "issued-credentials.get",
  "credential usage": "issued-credentials.usage-sum",
  "credential usage vendor.a": "issued-credentials.usage",
  "decision-point add syn --pattern syn/** --url https://x.example/": "decision-points.create",
  "decision-point forget syn --all": "decision-points.invalidate",
  "decision-point ls": "decision-points.list",
  "decision-point rm syn": "decision-points.remove",
  "decision-point set syn --timeout-ms 900": "decision-points.update",
  "decision-point show syn": "decision-points.get",
  "elevate approve 1": "elevations.approve",
  "elevate end 1": "elevations.end",
  "elevate ls": "elevations.list",
  "elevate refuse 1": "elevations.refuse",
  "elevate roles ls": "me.elevation-roles",
  "elevate roles ls --system": "elevation-roles.list",
  "elevate roles ls acme": "organizations.elevation-roles.list",
  "elevate roles rm acme/release": "organizations.elevation-roles.delete",
  "elevate roles rm administrator": "elevation-roles.delete",
  "elevate roles set acme/release --file FILE": "organizations.elevation-roles.set",
  "elevate roles set administrator --file FILE": "elevation-roles.set",
  "elevate roles show acme/release": "organizations.elevation-roles.get",
  "elevate roles show administrator": "elevation-roles.get",
  "elevate show 1": "elevations.get",
  "elevate start acme/release --reason because": "elevations.request",
  gc: "garbage-collection.run",
  "gc --dry-run": "garbage-collection.get",
  "gc hold --for 24h": "garbage-collection.hold",
  "gc release": "garbage-collection.release",
  "gc --strays": "garbage-collection.clear-strays",
  "grant default add acme anna read": "default-grants.create",
  "grant default ls acme": "default-grants.list",
  "grant default rm acme 1": "default-grants.delete",
  "grant default set acme 1 read": "default-grants.update",
  "grant ls acme": "namespace-grants.list",
  "grant ls acme/app": "grants.list",
  "grant rm acme/app anna": "grants.remove-for-user",
  "grant rm acme/app team:release": "grants.remove-for-team",
  "grant rm acme/app/** anna": "namespace-grants.remove",
  "grant set acme/app anna read": "grants.set-for-user",
  "grant set acme/app team:release read": "grants.set-for-team",
  "grant set acme/app/** anna read": "namespace-grants.set",
  health: "health.get",
  "invitation accept 1": "invitations.accept",
  "invitation decline 1": "invitations.decline",
  "invitation ls": "invitations.list-own",
  "invitation ls acme": "invitations.list",
  "invitation withdraw acme 1": "invitations.revoke",
  "issuer create acme/vendor --repositories acme/** --actions pull": "issuers.create",
  "issuer create vendor --repositories ** --actions pull": "system-issuers.create",
  "issuer ls": "system-issuers.list",
  "issuer ls acme": "issuers.list",
  "issuer rm acme/vendor": "issuers.delete",
  "issuer rm vendor": "system-issuers.delete",
  "issuer rotate acme/vendor": "issuers.rotate",
  "issuer rotate vendor": "system-issuers.rotate",
  "issuer set acme/vendor --disable": "issuers.update",
  "issuer set vendor --disable": "system-issuers.update",
  "issuer show acme/vendor": "issuers.get",
  "issuer show vendor": "system-issuers.get",
  "jobs cancel 1": "jobs.cancel",
  "jobs kinds": "job-kinds.list",
  "jobs ls": "jobs.list",
  "jobs pause uploads.expire": "job-kinds.change",
  "jobs resume uploads.expire": "job-kinds.change",
  "jobs retry 1": "jobs.retry",
  "jobs run uploads.expire": "job-kinds.run",
  "jobs show 1": "jobs.get",
  "mail ls": "mails.list",
  "mail retry 1": "mails.retry",
  "mail test me@example.org": "mails.test",
  "mfa require acme on": "mfa.require",
  "mfa reset anna": "mfa.reset",
  "mfa status": "mfa.get",
  "org create acme": "organizations.create",
  "org ls": "organizations.list",
  "org rm acme --yes": "organizations.delete",
  "org set acme --description x": "organizations.update",
  "org show acme": "organizations.get teams.list collaborators.list",
  "provider apply --file FILE --prune":
    "sign-in-providers.list sign-in-providers.put sign-in-providers.team-bindings.list sign-in-providers.team-bindings.put sign-in-providers.team-bindings.remove sign-in-providers.delete",
  "provider ls": "sign-in-providers.list",
  "provider lost corp": "sign-in-providers.identities.list",
  "provider known corp": "sign-in-providers.identities.list",
  "provider rm corp": "sign-in-providers.delete",
  "provider show corp": "sign-in-providers.get",
  "provider sync corp": "sign-in-providers.sync",
  "provider test corp": "sign-in-providers.test",
  "provider unlink corp 1": "sign-in-providers.identities.unlink",
  "regions blob sha256:x": "regions.of-blob",
  "regions ls": "regions.list",
  "regions place acme --allow eu": "placements.set",
  "regions placement acme": "placements.get",
  "regions retire us": "regions.retire",
  "regions retire us --undo": "regions.keep",
  "regions rm us": "regions.forget",
  "repository create acme/app": "repositories.create",
  "repository ls": "repositories.list",
  "repository rename acme/app acme/web": "repositories.rename",
  "repository rename-organization acme apex": "organizations.rename",
  "repository rm acme/app --yes": "repositories.delete",
  "repository set acme/app --state frozen": "repositories.update",
  "repository show acme/app": "repositories.get",
  "reserved-name add nginx": "reserved-names.add",
  "reserved-name ls": "reserved-names.list",
  "reserved-name rm nginx": "reserved-names.remove",
  "robot create acme+ci": "robots.create",
  "robot disable acme+ci": "robots.update",
  "robot enable acme+ci": "robots.update",
  "robot ls acme": "robots.list",
  "robot revoke-secret acme+ci 1": "robots.revoke-secret",
  "robot rm acme+ci": "robots.delete",
  "robot rotate acme+ci": "robots.rotate",
  "robot set acme+ci --days 3": "robots.update",
  "robot show acme+ci": "robots.get",
  "session ls": "sessions.list-own",
  "session ls --user anna": "sessions.list",
  "session rm 1": "sessions.end-own",
  "session rm 1 --user anna": "sessions.end",
  "session rm --all": "sessions.end-own-others",
  "session rm --all --user anna": "sessions.end-all",
  "team add acme/release anna": "team-members.add",
  "team invite acme/release anna": "invitations.create",
  "team ls acme": "teams.list",
  "team ls acme/release": "team-members.list",
  "team remove acme/release anna": "team-members.remove",
  "team rm acme/release": "teams.delete",
  "team set acme/new": "teams.list teams.create",
  "team set acme/release --role admin": "teams.list teams.update",
  "token create ci": "access-tokens.create",
  "token ls": "access-tokens.list",
  "token revoke-secret x 2": "access-tokens.list access-tokens.revoke-secret",
  "token rm x": "access-tokens.list access-tokens.revoke",
  "token rotate x": "access-tokens.list access-tokens.rotate",
  "token set x --name y": "access-tokens.list access-tokens.update",
  "token show x": "access-tokens.list access-tokens.get",
  "token usage x": "access-tokens.list access-tokens.usage",
  "token-issuer add p --issuer p --audience r --pattern a/** --jwks-url https://x.example/":
    "token-issuers.create",
  "token-issuer ls": "token-issuers.list",
  "token-issuer rm p": "token-issuers.remove",
  "trust-rule create ci --issuer i --audience a --claim a=b --subject s": "system-trust-rules.create",
  "trust-rule create acme/ci --issuer i --audience a --claim a=b --subject s": "trust-rules.create",
  "trust-rule ls": "system-trust-rules.list",
  "trust-rule ls acme": "trust-rules.list",
  "trust-rule rm acme/ci": "trust-rules.delete",
  "trust-rule rm ci": "system-trust-rules.delete",
  "trust-rule set acme/ci --issuer i --audience a --claim a=b --subject s": "trust-rules.replace",
  "trust-rule set ci --issuer i --audience a --claim a=b --subject s": "system-trust-rules.replace",
  "trust-rule show acme/ci": "trust-rules.get",
  "trust-rule show ci": "system-trust-rules.get",
  "verify --registry HOST": "verifications.create jobs.get",
  "user ls": "users.list",
  "user revoke-token anna 1": "users.access-tokens.revoke",
  "user rm anna --yes": "users.delete",
  "user set anna --disable": "users.update",
  "user show anna": "users.get",
  "user tokens anna": "users.access-tokens.list",
};

/** The same for those that read standard input, each in a process of its own. */
const pipedCommands: Readonly<Record<string, string>> = {
  "account client-password --password-stdin": "me.client-password",
  "audit export": "audit.export",
  "account link corp --username a --password-stdin": "me.identities.link",
  "login HOST --oidc-token-file FILE --rule acme/ci": "federation.exchange",
  "mfa add-totp --password-stdin": "session.start mfa.totp-begin session.end",
  "mfa add-totp --password-stdin --ticket t --app-code 123456": "session.start mfa.totp-confirm session.end",
  "mfa recovery-codes --password-stdin": "session.start mfa.recovery-codes-renew session.end",
  "mfa rm 1 --password-stdin": "session.start mfa.security-key-remove session.end",
  "mfa rm totp --password-stdin": "session.start mfa.totp-remove session.end",
  "trust-rule test acme/ci": "trust-rules.test",
  "trust-rule test ci": "system-trust-rules.test",
  "user create anna --password-stdin": "users.create",
};

const browser = "only a browser can: it goes to another site, or its device signs";
const page = "a page of the registry's own does it, from the link in a mail";

/** Endpoints without a command, and why. */
const reasons: Readonly<Record<string, string>> = {
  "decision-points.set-repository-state":
    "sent by decision points; administrators have `repository set --state`",
  "email-verifications.create": page,
  "mfa.security-key-begin": browser,
  "mfa.security-key-confirm": browser,
  "openapi.get": "documents the API, for programs",
  "password-resets.complete": page,
  "password-resets.request":
    "for whoever cannot sign in, on the sign-in page; administrators have `user set --new-password`",
  "session.get": "tells a page its token; the command is told when it signs in",
  "session.start-mfa": "used by `mfa` for whoever has a factor; sessions-and-second-factors.test.ts shows it",
  "session.step-up": "a session of the command is always fresh",
  "session.step-up-methods": "a session of the command is always fresh",
  "session.step-up-at-provider": "a session of the command is always fresh",
  "sign-in-methods.list": "for sign-in pages",
  "sign-in.begin": browser,
  "sign-in.end-elsewhere": browser,
  "sign-in.finish": browser,
  "sign-up.request": "for whoever has no account, on the sign-up page",
  "teams.get": "`team ls` tells the same",
};

/** Commands that speak to no management API. */
const notOfManagement = [
  "serve",
  "doctor",
  "admin create",
  "logout",
  "ls",
  "tags",
  "inspect",
  "copy",
  "rm",
  "backup",
  "restore",
  "keys status",
  "keys rotate",
  "storage move",
  "database move",
  "migrate status",
  "migrate up",
  "decision-point check",
  "completion",
];

describe("commands for endpoints", () => {
  let registry: RecordingRegistry;
  let folder: string;
  let ids: readonly string[];

  before(async () => {
    const document = resolve(import.meta.dirname, "../../../docs/reference/openapi.json");
    const openapi: unknown = JSON.parse(await readFile(document, "utf8"));
    const paths = isObject(openapi) && isObject(openapi["paths"]) ? openapi["paths"] : {};
    ids = Object.entries(paths)
      // The rest is spoken by registry clients, browsers and monitors.
      .filter(([path]) => path.startsWith("/api/v1/"))
      .flatMap(([, methods]) => Object.values(isObject(methods) ? methods : {}))
      .map((operation) => String(isObject(operation) ? operation["operationId"] : ""));
    const numbers = { manifests: 0, links: 0, blobs: 0, blobBytes: 0, pendingDeletions: 0 };
    registry = await startRecordingRegistry(openapi, {
      "access-tokens.list": { tokens: [{ id: 1, name: "x" }] },
      "federation.exchange": { username: "acme+ci", access_token: "t", password: "t", expires_in: 1 },
      "garbage-collection.get": { candidates: { ...numbers, pendingDeletionBytes: 0 } },
      "garbage-collection.clear-strays": { uploads: 0, blobs: 0, bytes: 0 },
      "garbage-collection.run": { ...numbers, bytes: 0, durationMs: 0 },
      "mails.test": { isSent: true, detail: "" },
      "session.start": { csrfToken: "c" },
      "sign-in-providers.list": { providers: [{ name: "old" }] },
      "sign-in-providers.sync": { ok: true },
      "sign-in-providers.team-bindings.list": { bindings: [{ team: "acme/old", group: "old" }] },
      "sign-in-providers.test": { ok: true },
      "system-trust-rules.test": { isTaken: true },
      "teams.list": { teams: [{ name: "release", role: "member" }] },
      "trust-rules.test": { isTaken: true },
      "audit.verify": { isIntact: true },
      "jobs.get": { state: "done", result: { problems: 0 } },
      "verifications.create": { jobId: 1 },
    });
    folder = await mkdtemp(join(tmpdir(), "entrepot-endpoints-"));
    const auth = Buffer.from("anna:secret").toString("base64");
    await writeFile(join(folder, "config.json"), JSON.stringify({ auths: { [registry.host]: { auth } } }));
    const provider = { name: "x", kind: "github", settings: {}, teams: [{ team: "acme/new", group: "new" }] };
    await writeFile(join(folder, "file"), JSON.stringify({ name: "x", providers: [provider] }));
  });
  after(async () => {
    await registry.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const wordsOf = (line: string) =>
    line
      .split(" ")
      .map((word) => (word === "FILE" ? join(folder, "file") : word === "HOST" ? registry.host : word));

  it("uses the endpoints that each is for, and no others", async () => {
    const environment = {
      dockerConfigDir: folder,
      defaultHost: registry.host,
      isDebug: false,
      isColorUnwanted: true,
    };
    for (const [line, expected] of Object.entries(commands)) {
      await runInProcess(wordsOf(line), environment).catch((error: unknown) => {
        throw new Error(`${line}: ${String(error)}`, { cause: error });
      });
      assert.deepEqual([...new Set(registry.take())], expected.split(" "), line);
    }
  });

  it("uses them with what comes on standard input, too", async () => {
    const environment = { DOCKER_CONFIG: folder, ENTREPOT_CLI_REGISTRY: registry.host };
    for (const [line, expected] of Object.entries(pipedCommands)) {
      const done = await runCli(wordsOf(line), environment, "a secret");
      assert.equal(done.code, 0, `${line}: ${done.stderr}`);
      assert.deepEqual([...new Set(registry.take())], expected.split(" "), line);
    }
  });

  it("has every endpoint of the management API decided: a command, or a reason why there is none", () => {
    const used = new Set(
      [...Object.values(commands), ...Object.values(pipedCommands)].flatMap((line) => line.split(" ")),
    );
    const without = ids.filter((id) => !used.has(id));
    assert.deepEqual(without.toSorted(), Object.keys(reasons).toSorted());
    const unknown = [...used].filter((id) => !ids.includes(id));
    assert.deepEqual(unknown, [], "commands use endpoints that are documented");
  });

  it("knows every command that there is, each with a summary for help and completion", () => {
    const program = createProgram(() => assert.fail("nothing is run"), "0.0.0");
    const all = describeCommands(program).filter(({ path }) => path.length > 0);
    assert.deepEqual(
      all.filter(({ summary }) => summary === "").map(({ path }) => path.join(" ")),
      [],
    );
    const names = all.map(({ path }) => path.join(" "));
    const leaves = names.filter((name) => !names.some((other) => other.startsWith(`${name} `)));
    const lines = [...Object.keys(commands), ...Object.keys(pipedCommands)];
    const others = leaves.filter((leaf) => !lines.some((line) => `${line} `.startsWith(`${leaf} `)));
    assert.deepEqual(others, notOfManagement);
  });
});
