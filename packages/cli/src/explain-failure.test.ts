import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { ConfigError } from "@entrepot/server/config/setting-error";
import { CommanderError } from "commander";
import { explainFailure } from "./explain-failure.ts";
import { runInProcess } from "./testing/run-in-process.ts";

/** What the registry answers: a problem of the management API, or an OCI error for `inspect`. */
interface Reply {
  readonly status: number;
  readonly title?: string;
  readonly detail?: string;
  readonly body?: string;
}

interface Case {
  readonly what: string;
  readonly line: string;
  readonly reply?: Reply;
  readonly exitCode: number;
  readonly sentence: RegExp;
}

const cases: readonly Case[] = [
  {
    what: "a file that is not there",
    line: "token-issuer add x --issuer i --audience a --pattern p --keys-file /nowhere",
    exitCode: 2,
    sentence: /^there is no file "\/nowhere"$/,
  },
  {
    what: "no registry's name",
    line: "org ls --registry a/b",
    exitCode: 2,
    sentence: /write host or host:port$/,
  },
  {
    what: "what the registry finds malformed",
    line: "org create Acme",
    reply: { status: 400, title: "REQUEST_INVALID", detail: "`name` is no name" },
    exitCode: 2,
    sentence: /: `name` is no name \(400\); --help tells/,
  },
  {
    what: "what the registry cannot do anything with",
    line: "org create acme",
    reply: { status: 422, title: "REQUEST_INVALID", detail: "no" },
    exitCode: 2,
    sentence: /\(422\); --help/,
  },
  {
    what: "no credentials",
    line: "org ls --registry localhost:1",
    exitCode: 3,
    sentence: /^localhost:1 needs credentials for this; run: entrepot login localhost:1$/,
  },
  {
    what: "an expired token",
    line: "org ls",
    reply: { status: 401, title: "UNAUTHORIZED", detail: "the token is expired or revoked" },
    exitCode: 3,
    sentence: /: the token is expired or revoked \(401\); run: entrepot login 127\.0\.0\.1:\d+$/,
  },
  {
    what: "a right that is missing",
    line: "org rm acme --yes",
    reply: { status: 403, title: "DENIED", detail: "you may not administer acme" },
    exitCode: 4,
    sentence: /you may not administer acme \(403\); ask who administers it, or sign in as somebody who may/,
  },
  {
    what: "a second factor that is missing",
    line: "org rm acme --yes",
    reply: { status: 403, title: "MFA_REQUIRED", detail: "a second factor is required here" },
    exitCode: 4,
    sentence: /; run: entrepot mfa add-totp$/,
  },
  {
    what: "what is not there",
    line: "org show nope",
    reply: { status: 404, title: "NOT_FOUND", detail: 'there is no "nope"' },
    exitCode: 5,
    sentence: /: there is no "nope" \(404\); check the name; what you may not see/,
  },
  {
    what: "an image that is not there",
    line: "inspect HOST/acme/app:1",
    reply: {
      status: 404,
      body: JSON.stringify({ errors: [{ code: "MANIFEST_UNKNOWN", message: "no tag 1" }] }),
    },
    exitCode: 5,
    sentence: /no tag 1 \(404 MANIFEST_UNKNOWN\); check the name/,
  },
  {
    what: "a name that is taken",
    line: "org create acme",
    reply: { status: 409, title: "ALREADY_EXISTS", detail: "the name acme is taken" },
    exitCode: 6,
    sentence: /the name acme is taken \(409\); take another name, or change what is there$/,
  },
  {
    what: "somebody else who is at work",
    line: "org create acme",
    reply: { status: 409, title: "CONFLICT", detail: "another writer" },
    exitCode: 6,
    sentence: /another writer \(409\); look how it is now, and repeat this if it is still wanted$/,
  },
  {
    what: "what has ended meanwhile",
    line: "jobs cancel 1",
    reply: { status: 409, title: "CONFLICT", detail: "the job has ended already: it is done" },
    exitCode: 6,
    sentence: /it is done \(409\); look how it is now, and repeat this if it is still wanted$/,
  },
  {
    what: "a backup in a folder that is not there",
    line: "restore /nowhere",
    exitCode: 2,
    sentence: /^there is no backup in \/nowhere$/,
  },
  {
    what: "a backup in a file",
    line: "restore CA ",
    exitCode: 2,
    sentence: /backup\.json": what stands before it is a file, not a folder$/,
  },
  {
    what: "a database of PostgreSQL to back up",
    line: "backup /nowhere --config PG",
    exitCode: 2,
    sentence: /^this backs up SQLite; for PostgreSQL/,
  },
  {
    what: "a database that is not there to back up",
    line: "backup /nowhere --config FRESH",
    exitCode: 2,
    sentence: /^there is no database at /,
  },
  {
    what: "a database that does not answer",
    line: "verify --config PG",
    exitCode: 7,
    sentence: /^the database does not answer/,
  },
  {
    what: "nobody who listens",
    line: "org ls --registry 127.0.0.1:1",
    exitCode: 7,
    sentence:
      /nothing listens there; start the registry, or name the right one \(--registry, ENTREPOT_CLI_REGISTRY\)$/,
  },
  {
    what: "a server of something else",
    line: "org ls",
    reply: { status: 404, body: "<html>" },
    exitCode: 7,
    sentence: /it answers as no Entrepôt does \(404\); check the address of the registry$/,
  },
  {
    what: "a page where an answer should be",
    line: "org ls",
    reply: { status: 200, body: "<html>" },
    exitCode: 7,
    sentence: /is not JSON; check the address of the registry$/,
  },
  {
    what: "too much at once",
    line: "org create acme",
    reply: { status: 429, title: "TOOMANYREQUESTS", detail: "too many requests" },
    exitCode: 7,
    sentence: /\(429\); try again later$/,
  },
  {
    what: "a registry in trouble",
    line: "org ls",
    reply: { status: 500, title: "INTERNAL", detail: "something went wrong" },
    exitCode: 7,
    sentence: /\(500\); try again later; its log tells more$/,
  },
  {
    what: "a load balancer without a registry behind it",
    line: "org create acme",
    reply: { status: 502, body: "<html>" },
    exitCode: 7,
    sentence: /what stands before it, has a problem \(502\); try again later/,
  },
  {
    what: "a certificate that nobody vouches for",
    line: "--ca-file CA org ls --registry TLS",
    exitCode: 7,
    sentence: /its certificate is not trusted \([A-Z_]+\); name who signed it with --ca-file$/,
  },
  {
    what: "https where http is spoken",
    line: "--plain-http org ls --registry TLS",
    exitCode: 7,
    sentence: /; check the address, and whether https is spoken there|it answers as no Entrepôt does/,
  },
  { what: "an unknown command", line: "frobnicate", exitCode: 2, sentence: /unknown command 'frobnicate'/ },
  {
    what: "an argument that is missing",
    line: "org create",
    exitCode: 2,
    sentence: /missing required argument/,
  },
  { what: "an unknown option", line: "org ls --frob", exitCode: 2, sentence: /unknown option '--frob'/ },
  {
    what: "a number that is none",
    line: "robot rotate acme+ci --grace x",
    exitCode: 2,
    sentence: /--grace must be/,
  },
  {
    what: "a database that is none to move to",
    line: "database move --to sqlite:other.db",
    exitCode: 2,
    sentence: /--to must be an address/,
  },
];

describe("what a person is told when something is wrong", () => {
  let folder: string;
  let reply: Reply = { status: 200 };
  const answer: RequestListener = (request, response) => {
    const { status, title, detail, body = JSON.stringify({ title, detail, status }) } = reply;
    request.resume().on("end", () => response.writeHead(status).end(body));
  };
  const server = createServer(answer);
  let tls: ReturnType<typeof createTlsServer>;
  const hostOf = (of: { address(): unknown }) => {
    const address = of.address();
    return `127.0.0.1:${typeof address === "object" && address !== null && "port" in address ? String(address.port) : ""}`;
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "entrepot-failures-"));
    for (const name of ["server", "other"]) {
      const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
      const files = ["-keyout", join(folder, `${name}.key`), "-out", join(folder, `${name}.crt`)];
      const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
      await promisify(execFile)("openssl", ["req", "-x509", ...curve, ...subject, ...files]);
    }
    tls = createTlsServer(
      { key: await readFile(join(folder, "server.key")), cert: await readFile(join(folder, "server.crt")) },
      answer,
    );
    for (const each of [server, tls]) {
      each.listen(0, "127.0.0.1");
      await once(each, "listening");
    }
    const auth = Buffer.from("anna:secret").toString("base64");
    const hosts = [hostOf(server), hostOf(tls), "127.0.0.1:1"];
    const auths = Object.fromEntries(hosts.map((host) => [host, { auth }]));
    await writeFile(
      join(folder, "pg.yaml"),
      `dataDir: ${folder}\nsecretKey: ${"a".repeat(44)}\ndatabase:\n  url: postgres://nobody@127.0.0.1:1/none\n`,
    );
    await writeFile(join(folder, "fresh.yaml"), `dataDir: ${join(folder, "fresh")}\n`);
    await writeFile(join(folder, "config.json"), JSON.stringify({ auths }));
  });
  after(async () => {
    for (const each of [server, tls]) {
      each.closeAllConnections();
      each.close();
    }
    await rm(folder, { recursive: true, force: true });
  });

  for (const { what, line, reply: given, exitCode, sentence } of cases) {
    it(`is one sentence with what to do, and a code of its own kind: ${what}`, async () => {
      reply = given ?? { status: 200 };
      const words = line
        .replace("HOST", hostOf(server))
        .replace("TLS", hostOf(tls))
        .replace("CA ", `${join(folder, "other.crt")} `)
        .replace("PG", join(folder, "pg.yaml"))
        .replace("FRESH", join(folder, "fresh.yaml"))
        .trim()
        .split(" ");
      const environment = {
        dockerConfigDir: folder,
        defaultHost: hostOf(server),
        isDebug: false,
        isColorUnwanted: true,
      };
      const error: unknown = await runInProcess(words, environment).then(
        () => assert.fail("it must fail"),
        (thrown: unknown) => thrown,
      );
      if (error instanceof CommanderError) {
        // Commander has told it, and `main.ts` ends with 2.
        assert.equal(exitCode, 2);
        assert.match(error.message, sentence);
        return;
      }
      const explained = explainFailure(error);
      assert.match(explained.sentence, sentence);
      assert.equal(explained.exitCode, exitCode, explained.sentence);
      assert.equal(explained.sentence.includes("secret"), false);
      assert.equal(explained.sentence.includes("\n"), false);
    });
  }

  it("ends with the code of wrong usage when the configuration is wrong, not with that of a check that found something", () => {
    const wrong = explainFailure(new ConfigError(["port: there is no such thing", "host: nor that"]));
    assert.equal(wrong.exitCode, 2);
    assert.match(wrong.sentence, /not valid:\n {2}- port: .*\n {2}- host: /);
  });
});
