import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { administrator } from "./testing/served-registry.ts";
import { type SignedInRegistry, startSignedInRegistry } from "./testing/signed-in-registry.ts";

describe("entrepot repository, access and reserved-name", () => {
  let registry: SignedInRegistry;

  before(async () => {
    registry = await startSignedInRegistry();
    await lines("org", "create", "acme");
  });
  after(async () => registry.stop());

  const run = (...args: string[]) => registry.run(...args);
  const lines = (...args: string[]) => registry.lines(...args);

  it("creates, changes and renames repositories, and explains who may do what", async () => {
    assert.deepEqual(await lines("repository", "create", "acme/app", "--visibility", "internal"), [
      "acme/app is there now",
    ]);
    assert.deepEqual(await lines("repo", "set", "acme/app", "--state", "frozen", "--visibility", "private"), [
      "acme/app: private, frozen",
    ]);
    assert.deepEqual(
      await lines("access", "explain", "acme/app", administrator.username, "--action", "push"),
      ["push: no", " the repository is frozen"],
    );
    await lines("repo", "set", "acme/app", "--state", "active");
    assert.deepEqual(
      await lines("access", "explain", "acme/app", administrator.username, "--action", "push"),
      ["push: yes", " is an administrator of the registry", " is in a team that administers the namespace"],
    );
    assert.deepEqual(await lines("repo", "rename", "acme/app", "acme/shop"), [
      "acme/app is called acme/shop now",
    ]);
    await lines("grant", "set", "acme/**", administrator.username, "read");
    assert.deepEqual(await lines("access", "ls", "acme/shop"), [
      `acme/** ${administrator.username} read `.trim(),
    ]);
    const shown = await lines("repo", "show", "acme/app");
    assert.deepEqual(shown[0], "name acme/shop", "the old name leads to it");
    assert.deepEqual(await lines("repo", "rename-organization", "acme", "apex"), ["acme is called apex now"]);
    assert.deepEqual(await lines("reserved-name", "ls"), ["acme leads to apex"]);
  });

  it("reserves names and gives them back", async () => {
    assert.deepEqual(await lines("reserved-name", "add", "nginx"), ["nginx is reserved"]);
    assert.equal((await run("org", "create", "nginx")).code, 6);
    assert.deepEqual(await lines("reserved-name", "rm", "nginx"), ["nginx is free"]);
    await lines("org", "create", "nginx");
  });

  it("ends with 2 when it is not said what to do", async () => {
    for (const args of [
      ["repository", "set", "acme/app"],
      ["repository", "create", "alpine"],
      ["access", "explain", "acme/app", "anna", "--action", "all"],
    ]) {
      assert.equal((await run(...args)).code, 2, args.join(" "));
    }
  });
});
