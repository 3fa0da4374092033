import { execFile, spawn } from "node:child_process";
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import { Attribute, Change, Client } from "ldapts";
import { freePorts } from "../../../lib/testing/free-ports.ts";

const run = promisify(execFile);
const slapd = "/usr/sbin/slapd";

/** A directory of a small company, run by the test. */
export interface TestDirectory {
  readonly url: string;
  /** PEM; who signed the directory's certificate, which is for 127.0.0.1 and localhost. */
  readonly caCertificate: string;
  modify(
    dn: string,
    change: { readonly add?: Values; readonly remove?: Values; readonly replace?: Values },
  ): Promise<void>;
  add(dn: string, values: Values): Promise<void>;
  remove(dn: string): Promise<void>;
  /** Ends the server; it may be started again. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export type Values = Readonly<Record<string, string | readonly string[]>>;

export const base = "dc=corp,dc=example";
export const people = `ou=people,${base}`;
export const groups = `ou=groups,${base}`;
export const searcher = { bindDn: `cn=searcher,${base}`, bindPassword: "search-it-all" };
export const personPassword = (uid: string) => `${uid} has a long secret`;
const root = { dn: `cn=root,${base}`, password: "root-of-all" };

/** Whether the program is there; the tests say so when it is not. */
export async function hasSlapd(): Promise<boolean> {
  return access(slapd).then(
    () => true,
    () => false,
  );
}

/** Starts one with alan, barbara and carol in `people`, and with `more` people named u0001 and so on. */
export async function startSlapd(
  t: TestContext,
  options: { readonly more?: number; readonly ldif?: string } = {},
): Promise<TestDirectory> {
  const folder = await mkdtemp(join(tmpdir(), "entrepot-slapd-"));
  await mkdir(join(folder, "data"));
  await makeCertificate(folder);
  await writeFile(join(folder, "slapd.conf"), configuration(folder));
  await writeFile(join(folder, "start.ldif"), `${content(options.more ?? 0)}${options.ldif ?? ""}`);
  await run("/usr/sbin/slapadd", ["-q", "-f", join(folder, "slapd.conf"), "-l", join(folder, "start.ldif")]);
  const port = await freePorts(1);
  const url = `ldap://127.0.0.1:${port}`;
  let stop = await launch(folder, url);
  t.after(() => stop());
  t.after(() => rm(folder, { recursive: true, force: true }));
  const asRoot = async (work: (client: Client) => Promise<void>) => {
    const client = new Client({ url, timeout: 30_000, connectTimeout: 30_000 });
    try {
      await client.bind(root.dn, root.password);
      await work(client);
    } finally {
      await client.unbind();
    }
  };
  return {
    url,
    caCertificate: await readFile(join(folder, "ca.crt"), "utf8"),
    modify: (dn, { add = {}, remove = {}, replace = {} }) =>
      asRoot((client) =>
        client.modify(dn, [
          ...changes("add", add),
          ...changes("delete", remove),
          ...changes("replace", replace),
        ]),
      ),
    add: (dn, values) => asRoot((client) => client.add(dn, mutable(values))),
    remove: (dn) => asRoot((client) => client.del(dn)),
    stop: () => stop(),
    async start() {
      stop = await launch(folder, url);
    },
  };
}

function changes(operation: "add" | "delete" | "replace", values: Values): Change[] {
  return Object.entries(mutable(values)).map(
    ([type, list]) => new Change({ operation, modification: new Attribute({ type, values: list }) }),
  );
}

function mutable(values: Values): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, typeof value === "string" ? [value] : [...value]]),
  );
}

async function launch(folder: string, url: string): Promise<() => Promise<void>> {
  const child = spawn(slapd, ["-d", "0", "-f", join(folder, "slapd.conf"), "-h", url], { stdio: "ignore" });
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  for (let attempt = 0; ; attempt++) {
    const client = new Client({ url, timeout: 2_000, connectTimeout: 2_000 });
    try {
      await client.bind(root.dn, root.password);
      break;
    } catch (error) {
      if (attempt > 600 || child.exitCode !== null) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    } finally {
      await client.unbind().catch(() => undefined);
    }
  }
  return async () => {
    child.kill("SIGTERM");
    await gone;
  };
}

function configuration(folder: string): string {
  return `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile ${folder}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile ${folder}/server.crt
TLSCertificateKeyFile ${folder}/server.key
TLSCACertificateFile ${folder}/ca.crt
database mdb
suffix "${base}"
rootdn "${root.dn}"
rootpw ${root.password}
directory ${folder}/data
maxsize 67108864
index objectClass,uid,member,memberUid,entryUUID eq
# Nobody but by pages gets more than 500 entries.
limits * size.soft=500 size.hard=500 size.pr=500 size.prtotal=unlimited
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="${searcher.bindDn}" read by self read by * none
`;
}

function content(more: number): string {
  const names = [
    "alan",
    "barbara",
    "carol",
    ...Array.from({ length: more }, (_, n) => `u${String(n + 1).padStart(4, "0")}`),
  ];
  return [
    `dn: ${base}\nobjectClass: dcObject\nobjectClass: organization\no: Corp\ndc: corp\n`,
    `dn: ${searcher.bindDn}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: searcher\nuserPassword: ${searcher.bindPassword}\n`,
    `dn: ${people}\nobjectClass: organizationalUnit\nou: people\n`,
    `dn: ${groups}\nobjectClass: organizationalUnit\nou: groups\n`,
    ...names.map((uid) => person(uid)),
  ]
    .join("\n")
    .concat("\n");
}

/** An entry of `people`. */
export function person(uid: string): string {
  return `dn: uid=${uid},${people}\nobjectClass: inetOrgPerson\nuid: ${uid}\ncn: ${uid} of Corp\nsn: Corp\nmail: ${uid}@corp.example\nuserPassword: ${personPassword(uid)}\n`;
}

/** An entry of `groups`; members are DNs. */
export function group(cn: string, members: readonly string[]): string {
  return `\ndn: cn=${cn},${groups}\nobjectClass: groupOfNames\ncn: ${cn}\n${members.map((dn) => `member: ${dn}\n`).join("")}`;
}

async function makeCertificate(folder: string): Promise<void> {
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const at = (name: string) => join(folder, name);
  await run("openssl", [
    "req",
    "-x509",
    ...curve,
    "-subj",
    "/CN=corp-ca",
    "-keyout",
    at("ca.key"),
    "-out",
    at("ca.crt"),
  ]);
  await run("openssl", [
    "req",
    ...curve,
    "-subj",
    "/CN=directory",
    "-keyout",
    at("server.key"),
    "-out",
    at("server.csr"),
  ]);
  await writeFile(at("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  const signed = ["-CA", at("ca.crt"), "-CAkey", at("ca.key"), "-CAcreateserial", "-extfile", at("names")];
  await run("openssl", ["x509", "-req", "-in", at("server.csr"), ...signed, "-out", at("server.crt")]);
}
