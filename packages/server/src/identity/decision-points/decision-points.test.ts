import assert from "node:assert/strict";
import { test } from "node:test";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import {
  basic,
  bearer,
  getToken,
  insertRepository,
  password,
  postForm,
  sendJson,
  textField,
} from "../testing/start-identity.ts";
import {
  ada,
  addPoint,
  eve,
  notify,
  openWorld,
  pullOf,
  pushOf,
  statusOf,
} from "./testing/open-decision-world.ts";
import { pointSecret, startDecisionServer } from "./testing/start-decision-server.ts";

eachDatabase((open) => {
  test("signs somebody in whom only the point knows, and gives them what it permits and no more", async (t) => {
    const { instance, server } = await openWorld(t, await open(t));
    server.rights.set("u-1 syn1/a", ["pull", "levitate"]);
    assert.equal(await statusOf(instance, pullOf("syn1/a"), eve), 204);
    assert.equal(await statusOf(instance, pushOf("syn1/a"), eve), 403);
    assert.equal(await statusOf(instance, pullOf("syn1/b"), eve), 403);
    assert.equal(await statusOf(instance, pullOf("syn1/a"), bearer("eves-token")), 204);
    assert.equal(await statusOf(instance, pullOf("syn1/a"), basic("eve", "wrong")), 401);
    assert.equal(await statusOf(instance, pullOf("syn1/a"), bearer("wrong")), 401);
    assert.equal(await statusOf(instance, pullOf("syn1/a")), 401);

    const [login, authorize] = server.questions;
    assert.equal(login?.protocol, "entrepot-decision/1");
    assert.deepEqual(login?.credential, { kind: "basic", username: "eve", password: "eve's password" });
    assert.equal(login?.client?.ip, "127.0.0.1");
    assert.deepEqual(authorize?.repositories, [
      { name: "syn1/a", actions: ["pull", "push", "delete", "admin"] },
    ]);
    // The platform's words are in no log.
    assert.doesNotMatch(JSON.stringify(instance.lines), /eve's password|eves-token|a-secret-of-the-decision/);
  });

  test("goes the way of docker: login, token for what is wanted and permitted, and a decision for each request", async (t) => {
    const { instance, server } = await openWorld(t, await open(t));
    server.rights.set("u-1 syn1/a", ["pull", "push"]);
    const form = {
      grant_type: "password",
      username: "eve",
      password: "eve's password",
      service: "registry.test",
    };
    const login = await postForm(instance, form);
    assert.equal(login.status, 200);
    const got = await postForm(instance, {
      ...form,
      scope: "repository:syn1/a:pull,push,delete repository:syn1/b:pull",
    });
    const answer: unknown = await got.json();
    assert.equal(textField(answer, "scope"), "repository:syn1/a:pull,push");
    const token = bearer(textField(answer, "access_token"));
    assert.equal(await statusOf(instance, pushOf("syn1/a"), token), 204);
    assert.equal(await statusOf(instance, "/api/v1/me", token), 401);
    // What is taken away outside is gone for tokens already issued.
    server.rights.set("u-1 syn1/a", ["pull"]);
    assert.equal(await statusOf(instance, pushOf("syn1/a"), token), 403);
    assert.equal(await statusOf(instance, pullOf("syn1/a"), token), 204);
    // By GET as well, with the account repeated.
    const byGet = await instance.fetch("/token?account=eve&scope=repository:syn1/a:pull", {
      authorization: eve,
    });
    assert.equal(byGet.status, 200, await byGet.text());
  });

  test("decides alone there: no grant of ours, no visibility and no other authority counts, but administrators do", async (t) => {
    const { instance, server } = await openWorld(t, await open(t));
    await instance.identity.createUser({ username: "bob", password, isAdmin: false });
    const bob = basic("bob", password);
    const granted = await sendJson(instance, "PUT", "/api/v1/repositories/syn1/a/-/grants/users/bob", ada, {
      role: "admin",
    });
    assert.equal(granted.status, 200);
    await insertRepository(instance, "syn1/public", "public");
    for (const name of ["syn1/a", "syn1/public"])
      assert.equal(await statusOf(instance, pullOf(name), bob), 403, name);
    assert.equal(await statusOf(instance, pullOf("syn1/a"), ada), 204);

    const other = await startDecisionServer(t, instance.clock);
    other.credentials.set("eve eve's password", "u-1");
    await addPoint(instance, { name: "other", pattern: "other/**", url: other.url, secret: pointSecret });
    await insertRepository(instance, "other/x");
    server.rights.set("u-1 syn1/a", ["pull"]);
    const token = bearer(await getToken(instance, "repository:syn1/a:pull repository:other/x:pull", eve));
    // The same id at both, vouched for by the first in the order of names that knows the credential.
    assert.deepEqual(
      [await statusOf(instance, pullOf("syn1/a"), token), other.questions.length > 0],
      [403, true],
    );
    // A credential is never shown to whoever does not decide about what is asked for.
    const before = other.questions.length;
    assert.equal(await statusOf(instance, pullOf("syn1/a"), eve), 204);
    assert.equal(other.questions.length, before);
    // Somebody with an account here is asked for here, whatever a point may say of the name.
    server.credentials.set("bob wrong", "u-9");
    assert.equal(await statusOf(instance, pullOf("syn1/a"), basic("bob", "wrong")), 401);
  });

  test("lists what the point permits, in one question for many", async (t) => {
    const { instance, server } = await openWorld(t, await open(t));
    server.rights.set("u-1 syn1/b", ["pull"]);
    await insertRepository(instance, "acme/private");
    const token = bearer(await getToken(instance, "registry:catalog:*", eve));
    server.questions.length = 0;
    const listed = await instance.fetch("/v2/_catalog", { authorization: token });
    assert.deepEqual(await listed.json(), ["syn1/b"]);
    assert.equal(server.questions.length, 1);
    // Without an answer nothing of it is listed, and the listing is answered.
    server.fault = { status: 500 };
    const without = await instance.fetch("/v2/_catalog", { authorization: token });
    assert.deepEqual(await without.json(), []);
  });

  test("asks whether what is not there may be created, which is for the point alone to say", async (t) => {
    const { instance, server } = await openWorld(t, await open(t));
    server.rights.set("u-1 syn2/new", ["pull", "push"]);
    assert.equal(await statusOf(instance, pushOf("syn2/new"), eve), 403);
    const created = server.questions.find(({ intent }) => intent === "create");
    assert.equal(created?.repository, "syn2/new");
    assert.equal(await statusOf(instance, pullOf("syn2/new"), eve), 204);
    server.creations.add("u-1 syn2/new");
    assert.equal(await statusOf(instance, pushOf("syn2/new"), eve), 204);
    await insertRepository(instance, "syn2/new");
    server.questions.length = 0;
    assert.equal(await statusOf(instance, pushOf("syn2/new"), eve), 204);
    assert.ok(server.questions.every(({ intent }) => intent !== "create"));
  });

  test("takes notices from the point itself and from administrators only", async (t) => {
    const { instance, server } = await openWorld(t, await open(t));
    server.rights.set("u-1 syn1/a", ["pull", "push"]);
    const hide = { repository: "syn1/a", state: "hidden" };
    assert.equal(await notify(instance, "repository-state", hide), 204);
    assert.equal(await statusOf(instance, pullOf("syn1/a"), eve), 403);
    assert.equal(await notify(instance, "repository-state", { ...hide, state: "frozen" }), 204);
    assert.equal(await statusOf(instance, pullOf("syn1/a"), eve), 204);
    assert.equal(await statusOf(instance, pushOf("syn1/a"), eve), 403);
    await insertRepository(instance, "acme/x");
    assert.equal(await notify(instance, "repository-state", { repository: "acme/x", state: "hidden" }), 403);

    assert.equal(
      await notify(instance, "invalidate", { all: true }, { secret: "another-secret-as-long-as-it-must-be" }),
      401,
    );
    // A signature for one notice is none for another, and one for a question is none at all.
    assert.equal(
      await notify(
        instance,
        "invalidate",
        { all: true },
        { kind: "/api/v1/decision-points/syn/repository-state" },
      ),
      401,
    );
    const unsigned = await sendJson(instance, "POST", "/api/v1/decision-points/syn/invalidate", eve, {
      all: true,
    });
    assert.equal(unsigned.status, 401);
    const unknown = await sendJson(instance, "POST", "/api/v1/decision-points/nobody/invalidate", eve, {
      all: true,
    });
    assert.equal(unknown.status, 401);
    const byAda = await sendJson(instance, "POST", "/api/v1/decision-points/syn/invalidate", ada, {
      all: true,
    });
    assert.equal(byAda.status, 204);
  });

  test("asks what anybody may only where it is set so, and then strangers have that", async (t) => {
    const { instance, server } = await openWorld(t, await open(t));
    server.rights.set("- syn1/a", ["pull"]);
    assert.equal(await statusOf(instance, pullOf("syn1/a")), 401);
    assert.equal(server.questions.length, 0);
    const patched = await sendJson(instance, "PATCH", "/api/v1/decision-points/syn", ada, {
      allowsAnonymous: true,
    });
    assert.equal(patched.status, 200);
    assert.equal(await statusOf(instance, pullOf("syn1/a")), 204);
    assert.equal(server.questions.at(-1)?.principal, null);
    await instance.identity.createUser({ username: "bob", password, isAdmin: false });
    assert.equal(await statusOf(instance, pullOf("syn1/a"), basic("bob", password)), 204);
  });

  test("believes no name that could pass for another or move a cursor", async (t) => {
    const { instance, server } = await openWorld(t, await open(t));
    for (const id of ["u\n1", "u\u0000", "\u202eeve", ""]) {
      server.credentials.set("eve odd", id);
      instance.clock.move(60_000);
      assert.equal(await statusOf(instance, pullOf("syn1/a"), basic("eve", "odd")), 503, JSON.stringify(id));
    }
    server.ttlSeconds = 60;
    instance.clock.move(60_000);
    // What would run together in a key that is only joined.
    server.credentials.set("eve 1", 'u","syn1/a').set("eve 2", "u");
    server.rights.set('u","syn1/a syn1/b', ["pull"]);
    assert.equal(await statusOf(instance, pullOf("syn1/b"), basic("eve", "1")), 204);
    assert.equal(await statusOf(instance, pullOf("syn1/b"), basic("eve", "2")), 403);
  });

  test("takes a repository back when the point is removed: whoever it vouched for is nobody", async (t) => {
    const { instance, server } = await openWorld(t, await open(t));
    server.rights.set("u-1 syn1/a", ["pull"]);
    const token = bearer(await getToken(instance, "repository:syn1/a:pull", eve));
    assert.equal(await statusOf(instance, pullOf("syn1/a"), token), 204);
    const again = { name: "syn", pattern: "syn*/**", url: server.url, secret: pointSecret };
    assert.equal((await sendJson(instance, "POST", "/api/v1/decision-points", ada, again)).status, 409);
    assert.equal(
      (await sendJson(instance, "POST", "/api/v1/decision-points", ada, { ...again, name: "twin" })).status,
      409,
    );
    assert.equal((await sendJson(instance, "DELETE", "/api/v1/decision-points/syn", ada)).status, 204);
    assert.equal(await statusOf(instance, pullOf("syn1/a"), token), 401);
    // Another one of that name and pattern has not vouched for them.
    await addPoint(instance, again);
    assert.equal(await statusOf(instance, pullOf("syn1/a"), token), 401);
  });

  test("refuses an address to which passwords would go in the clear, or that is none", async (t) => {
    const { instance } = await openWorld(t, await open(t));
    for (const url of [
      "http://decisions.example.org/",
      "ftp://x/",
      "nonsense",
      "https://u:p@decisions.example.org/",
    ]) {
      const point = { name: "bad", pattern: "bad/**", url };
      const reply = await sendJson(instance, "POST", "/api/v1/decision-points", ada, point);
      assert.equal(reply.status, 400, url);
    }
    const listed = await (await instance.fetch("/api/v1/decision-points", { authorization: ada })).text();
    assert.doesNotMatch(listed, /secret/);
  });
});
