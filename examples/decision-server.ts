/**
 * A decision point for Entrepôt in one file and without dependencies: `DECISION_SECRET=… node examples/decision-server.ts`. Replace `people` and
 * the three functions below by your own accounts and permissions; the rest is the protocol of docs/reference/decision-point.md.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";

const { DECISION_SECRET: secret = "", PORT: port = "8000" } = process.env;
if (secret.length < 32) throw new Error("DECISION_SECRET must have at least 32 characters");

interface Person {
  readonly id: string;
  readonly password: string;
  readonly token: string;
  /** Repositories below these paths, and what may be done there. */
  readonly paths: Readonly<Record<string, readonly string[]>>;
}

/** Your user database. */
const people: Readonly<Record<string, Person>> = {
  alice: { id: "1", password: "wonderland", token: "alices-token", paths: { "syn1/": ["pull", "push"] } },
  bob: { id: "2", password: "builder", token: "bobs-token", paths: { "syn1/": ["pull"] } },
};

interface Question {
  readonly id: string;
  readonly intent: string;
  readonly credential: Readonly<Record<"kind" | "username" | "password" | "token", string>>;
  readonly principal: string | null;
  readonly repositories: readonly { readonly name: string; readonly actions: readonly string[] }[];
  readonly repository: string;
}

/** Who is it? Never say why not. */
function login({ credential }: Question): object {
  const [name, person] =
    Object.entries(people).find(([name, { password, token }]) =>
      credential.kind === "basic"
        ? name === credential.username && same(password, credential.password)
        : same(token, credential.token),
    ) ?? [];
  if (person === undefined) return { allowed: false, ttlSeconds: 5 };
  return { allowed: true, principal: { id: person.id, name }, ttlSeconds: 60 };
}

/** What may they do? Leave out what they may not; words that you do not know are refused by saying nothing of them. */
function authorize({ principal, repositories }: Question): object {
  const granted = repositories.map(({ name, actions }) => ({
    name,
    actions: actions.filter((action) => actionsOf(principal, name).includes(action)),
  }));
  return { granted, ttlSeconds: 30 };
}

/** May they make a repository that is not there yet? */
function create({ principal, repository }: Question): object {
  return { allowed: actionsOf(principal, repository).includes("push"), ttlSeconds: 0 };
}

/** `principal` is null when nobody in particular asks. */
function actionsOf(principal: string | null, repository: string): readonly string[] {
  const person = Object.values(people).find(({ id }) => id === principal);
  const [, actions = []] =
    Object.entries(person?.paths ?? {}).find(([path]) => repository.startsWith(path)) ?? [];
  return actions;
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await text(request);
  if (!isSigned(String(request.headers["entrepot-signature"]), body))
    return void response.writeHead(401).end();
  const question: Question = JSON.parse(body);
  const answers: Readonly<Record<string, (question: Question) => object>> = { login, authorize, create };
  const answer = answers[question.intent];
  if (answer === undefined) return void response.writeHead(400).end();
  const reply = JSON.stringify({ id: question.id, ...answer(question) });
  const time = Math.floor(Date.now() / 1_000);
  const signature = `t=${time},v1=${sign(time, `answer ${question.id}`, reply)}`;
  response.writeHead(200, { "content-type": "application/json", "entrepot-signature": signature }).end(reply);
}

function isSigned(header: string, body: string): boolean {
  const [, time = "0", mac = ""] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(header) ?? [];
  return Math.abs(Date.now() / 1_000 - Number(time)) < 120 && same(mac, sign(Number(time), "question", body));
}

function sign(time: number, kind: string, body: string): string {
  return createHmac("sha256", secret).update(`${time}\n${kind}\n${body}`).digest("hex");
}

function same(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}

const server = createServer((request, response) => {
  handle(request, response).catch(() => response.writeHead(500).end());
}).listen(Number(port), "127.0.0.1", () => console.log(`http://127.0.0.1:${Object(server.address()).port}/`));
