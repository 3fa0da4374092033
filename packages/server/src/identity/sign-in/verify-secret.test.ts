import assert from "node:assert/strict";
import { test } from "node:test";
import type { UserActor } from "../../access/actor.ts";
import { createAccess } from "../../access/create-access.ts";
import { createVersionedCache } from "../../access/versioned-cache.ts";
import { silentAuditTrail } from "../../activity/audit/audit-trail.ts";
import { createMailQueue } from "../../activity/email/mail-queue.ts";
import { silentLog } from "../../lib/log.ts";
import { createOutgoingHttp } from "../../lib/outgoing-http.ts";
import { createSecretBox } from "../../lib/secret-box.ts";
import type { Database } from "../../storage/database/database.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import {
  createAccessToken,
  listOwnAccessTokens,
  revokeAccessToken,
} from "../access-tokens/manage-access-tokens.ts";
import type { IdentityDeps } from "../identity-deps.ts";
import type { PasswordOwner } from "../passwords/check-new-password.ts";
import { createMovableClock } from "../testing/movable-clock.ts";
import { password } from "../testing/start-identity.ts";
import { changeUser, deleteUser } from "../users/change-user.ts";
import { createUser } from "../users/create-user.ts";
import { createPasswordHasher, type PasswordHasher } from "../users/password-hash.ts";
import { createSecretVerifier } from "./verify-secret.ts";

const refusal = { name: "AppError", code: "UNAUTHORIZED" };
const here = "192.0.2.1";
const by = (actor: UserActor) => ({ actor, client: undefined, requestId: undefined });

/** The real hasher, counting how often it works. */
function countingHasher(): PasswordHasher & { verified: number } {
  const hasher = createPasswordHasher();
  const counting = {
    verified: 0,
    hash: (text: string, owner: PasswordOwner) => hasher.hash(text, owner),
    verify: (hash: string | undefined, text: string) => {
      counting.verified += 1;
      return hasher.verify(hash, text);
    },
  };
  return counting;
}

function setUp(database: Database) {
  const clock = createMovableClock();
  const cache = createVersionedCache(database, clock, { maxEntries: 100 });
  const access = createAccess({
    database,
    cache,
    clock,
    anonymousAccess: "none",
    defaultNamespace: "library",
  });
  const passwords = countingHasher();
  const secretBox = createSecretBox([Buffer.alloc(32, 1)]);
  const deps: IdentityDeps = {
    database,
    access,
    cache,
    clock,
    log: silentLog,
    passwords,
    outgoing: createOutgoingHttp({ allowedNetworks: [] }),
    passwordsOnRegistry: "allowed",
    secretBox,
    mails: createMailQueue(secretBox),

    trail: silentAuditTrail,
    defaultNamespace: "library",
    tokens: { service: "x", lifetimeMs: 300_000, keyRotationMs: 86_400_000 },
    accounts: { signUp: "off", allowedDomains: [] },
    sessions: { lifetimeMs: 86_400_000, idleMs: 3_600_000, recentMs: 600_000, tellsOfNewNetworks: true },
    mfa: { requiredOf: "nobody" },
    organizations: { createdBy: "everyone", newMembers: "added", invitationDays: 7, maxRobotDays: 0 },
  };
  return { deps, clock, passwords, secrets: createSecretVerifier(deps) };
}

async function withAda(database: Promise<Database>) {
  const set = setUp(await database);
  const ada = await createUser(set.deps, { username: "ada", password, isAdmin: false });
  const signIn = () => set.secrets.verify("ada", password, here);
  return { ...set, ada, signIn };
}

eachDatabase((open) => {
  test("works argon2 once for a client that shows its password again and again, also side by side", async (t) => {
    const { signIn, passwords, clock } = await withAda(open(t));
    await Promise.all(Array.from({ length: 20 }, signIn));
    for (let index = 0; index < 20; index++) await signIn();
    assert.equal(passwords.verified, 1);
    clock.move(60_000);
    await signIn();
    assert.equal(passwords.verified, 2, "what was right is not believed for ever");
  });

  test("works argon2 for a name that nobody has, too, and remembers no wrong password", async (t) => {
    const { secrets, passwords } = await withAda(open(t));
    for (const [name, secret] of [
      ["nobody", password],
      ["ada", "a wrong one"],
      ["ada", "a wrong one"],
    ] as const) {
      await assert.rejects(secrets.verify(name, secret, here), refusal);
    }
    assert.equal(passwords.verified, 3);
  });

  test("refuses the old password at once when it was changed", async (t) => {
    const { deps, secrets, signIn } = await withAda(open(t));
    await signIn();
    await changeUser(deps, "ada", { password: "a new password" });
    await assert.rejects(signIn(), refusal);
    assert.equal((await secrets.verify("ada", "a new password", here)).username, "ada");
  });

  test("refuses a disabled and a deleted user at once, whatever they show", async (t) => {
    const { deps, secrets, signIn } = await withAda(open(t));
    const { secret } = await createAccessToken(deps, by(await signIn()), { name: "ci" });
    await changeUser(deps, "ada", { isDisabled: true });
    await assert.rejects(signIn(), refusal);
    await assert.rejects(secrets.verifyAccessToken(secret, here), refusal);
    await changeUser(deps, "ada", { isDisabled: false });
    await signIn();
    await secrets.verifyAccessToken(secret, here);
    await deleteUser(deps, "ada");
    await assert.rejects(signIn(), refusal);
    await assert.rejects(secrets.verifyAccessToken(secret, here), refusal);
  });

  test("takes an access token until it expires or is revoked, and keeps it when the password changes", async (t) => {
    const { deps, secrets, signIn, clock } = await withAda(open(t));
    const ada = await signIn();
    const expiring = await createAccessToken(deps, by(ada), {
      name: "a",
      expiresAtMs: clock.nowMs() + 1_000,
    });
    const lasting = await createAccessToken(deps, by(ada), {
      name: "b",
      scopes: [{ repositories: "ada/x", actions: ["pull"] }],
    });
    const actor = await secrets.verify("ada", lasting.secret, here);
    assert.deepEqual(actor.credentialScopes, [{ repositories: "ada/x", tags: undefined, actions: ["pull"] }]);
    assert.equal(actor.accessTokenId, lasting.token.id);
    clock.move(999);
    await secrets.verifyAccessToken(expiring.secret, here);
    clock.move(1);
    await assert.rejects(secrets.verifyAccessToken(expiring.secret, here), refusal);
    await assert.rejects(secrets.verify("ada", expiring.secret, here), refusal);
    await changeUser(deps, "ada", { password: "a new password" });
    await secrets.verifyAccessToken(lasting.secret, here);
    await revokeAccessToken(deps, by(ada), lasting.token.id);
    await assert.rejects(secrets.verifyAccessToken(lasting.secret, here), refusal);
  });

  test("records the use of an access token at most once a minute, and lets it in when that fails", async (t) => {
    const { deps, secrets, signIn, clock } = await withAda(open(t));
    const ada = await signIn();
    const { secret } = await createAccessToken(deps, by(ada), { name: "ci" });
    const lastUse = async () => (await listOwnAccessTokens(deps, by(ada)))[0]?.token.lastUsedAtMs;
    assert.equal(await lastUse(), undefined);
    const first = clock.nowMs();
    await secrets.verifyAccessToken(secret, here);
    assert.equal(await lastUse(), first);
    clock.move(59_999);
    await secrets.verifyAccessToken(secret, here);
    assert.equal(await lastUse(), first);
    clock.move(1);
    await secrets.verifyAccessToken(secret, here);
    assert.equal(await lastUse(), first + 60_000);
    const broken = createSecretVerifier({
      ...deps,
      database: { ...deps.database, transaction: () => Promise.reject(new Error("no writing today")) },
    });
    assert.equal((await broken.verifyAccessToken(secret, here)).username, "ada");
  });

  test("sees on one instance what was revoked on another, within a second", async (t) => {
    const url = await open.url(t);
    const here_ = setUp(await open(t, { url }));
    const there = setUp(await open(t, { url }));
    await createUser(here_.deps, { username: "ada", password, isAdmin: false });
    const ada = await here_.secrets.verify("ada", password, here);
    const { token, secret } = await createAccessToken(here_.deps, by(ada), { name: "ci" });
    await there.secrets.verifyAccessToken(secret, here);
    await there.secrets.verify("ada", password, here);
    await revokeAccessToken(here_.deps, by(ada), token.id);
    await changeUser(here_.deps, "ada", { isDisabled: true });
    there.clock.move(1_000);
    await assert.rejects(there.secrets.verifyAccessToken(secret, here), refusal);
    await assert.rejects(there.secrets.verify("ada", password, here), refusal);
  });

  test("does not blame a user for what nobody could judge", async (t) => {
    const { deps, clock } = await withAda(open(t));
    let isDown = true;
    const secrets = createSecretVerifier({
      ...deps,
      clock,
      passwords: {
        hash: (text, owner) => deps.passwords.hash(text, owner),
        verify: (hash, text) =>
          isDown ? Promise.reject(new Error("out of memory")) : deps.passwords.verify(hash, text),
      },
    });
    for (let index = 0; index < 20; index++) {
      await assert.rejects(secrets.verify("ada", `guess ${index}`, here), { message: "out of memory" });
    }
    isDown = false;
    assert.equal((await secrets.verify("ada", password, here)).username, "ada");
  });
});
