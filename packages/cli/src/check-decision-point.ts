import { randomUUID } from "node:crypto";
import {
  formatQuestion,
  parseAnswer,
  protocolName,
  type Question,
} from "@entrepot/server/identity/decision-points/decision-protocol";
import {
  isSignedBy,
  signatureHeader,
  signMessage,
} from "@entrepot/server/identity/decision-points/sign-message";
import { systemClock } from "@entrepot/server/lib/clock";
import { type Finding, look } from "./finding.ts";

/** The callback, and somebody whom it knows. */
export interface CheckedPoint {
  readonly url: string;
  readonly secret: string;
  readonly username: string;
  readonly password: string;
  /** An access token of theirs; undefined = tokens are not checked. */
  readonly token: string | undefined;
  /** A repository that they may pull. */
  readonly repository: string;
}

const timeoutMs = 10_000;
const hurriedQuestions = 20;
/** What a decision point is given by default is 2 s; half of it leaves room. */
const slowMs = 1_000;

/**
 * The conformance kit: asks a callback what the registry would ask, and what it must not fall for, and says of each what was seen. Changes nothing there
 * but by its own answers. Never throws: what fails is a finding.
 */
export async function checkDecisionPoint(point: CheckedPoint): Promise<readonly Finding[]> {
  const { username, password, repository } = point;
  const basic = (name: string, secret: string): Question => ({
    intent: "login",
    credential: { kind: "basic", username: name, password: secret },
    client: { ip: "192.0.2.1", userAgent: "entrepot-check" },
  });
  let principal: string | undefined;
  const authorize = (
    names: readonly string[],
    who = principal ?? null,
  ): Question & { intent: "authorize" } => ({
    intent: "authorize",
    principal: who,
    repositories: names.map((name) => ({ name, actions: ["pull", "push", "delete", "admin"] })),
  });

  const findings: Finding[] = [];
  const check = async (name: string, work: () => Promise<string>) => {
    findings.push(await look(name, work));
  };
  await check("a wrong signature", async () => {
    await expectRefusal(point, basic(username, password), { secret: `${point.secret}x` });
    return "is refused";
  });
  await check("an old signature", async () => {
    await expectRefusal(point, basic(username, password), { ageMs: 3_600_000 });
    return "is refused";
  });
  await check("no signature", async () => {
    await expectRefusal(point, basic(username, password), { isUnsigned: true });
    return "is refused";
  });
  await check("the right password", async () => {
    const answer = await ask(point, basic(username, password));
    if (!("principal" in answer) || answer.principal === undefined) throw new Error("is not known");
    principal = answer.principal.id;
    return `is ${answer.principal.name}, for ${answer.ttlSeconds} s`;
  });
  const wrong = {
    "a wrong password": basic(username, `${password}x`),
    "an empty password": basic(username, ""),
    "an unknown name": basic("nobody-of-that-name", password),
    "a name that is a trick": basic(`${username}' or '1'='1`, password),
    "a wrong token": { ...basic("", ""), credential: { kind: "token", token: randomUUID() } } as Question, // as: a login with another credential
  };
  for (const [name, question] of Object.entries(wrong)) {
    await check(name, async () => {
      const answer = await ask(point, question);
      if (!("principal" in answer) || answer.principal !== undefined) throw new Error("is let in");
      return "is told apart, with a signed answer";
    });
  }
  if (point.token !== undefined) {
    const { token } = point;
    await check("the right token", async () => {
      const answer = await ask(point, { ...basic("", ""), credential: { kind: "token", token } } as Question); // as: above
      if (!("principal" in answer) || answer.principal?.id !== principal)
        throw new Error("is not the same person");
      return "is the same person";
    });
  }
  await check("a batch", async () => {
    const names = [repository, "no-such-namespace/nothing", `${repository}-of-somebody-else-entirely`];
    const { granted } = await ask(point, authorize(names));
    if (granted.get(repository)?.includes("pull") !== true)
      throw new Error(`does not permit a pull from ${repository}`);
    return `permits ${granted.get(repository)?.join(", ")} on ${repository}`;
  });
  await check("a hundred repositories", async () => {
    const names = Array.from({ length: 100 }, (_, index) => `no-such-namespace/n${index}`);
    const { granted } = await ask(point, authorize(names));
    if ([...granted.values()].some((actions) => actions.length > 0))
      throw new Error("permits what is not there");
    return "are answered in one, and nothing is permitted";
  });
  await check("a stranger", async () => {
    const { granted } = await ask(point, authorize([repository], `no-such-principal-${randomUUID()}`));
    const actions = granted.get(repository) ?? [];
    if (actions.includes("push")) throw new Error("may push");
    return actions.length === 0 ? "may nothing" : `may ${actions.join(", ")}`;
  });
  await check("nobody in particular", async () => {
    const { granted } = await ask(point, { ...authorize([repository]), principal: null });
    const actions = granted.get(repository) ?? [];
    if (actions.some((action) => action !== "pull")) throw new Error(`may ${actions.join(", ")}`);
    return actions.length === 0 ? "may nothing" : "may pull";
  });
  await check("an unknown action", async () => {
    const id = randomUUID();
    const unknown = {
      ...authorize([repository]),
      repositories: [{ name: repository, actions: ["levitate"] }],
    };
    const body = JSON.stringify({
      protocol: protocolName,
      id,
      point: "check",
      ...unknown,
      fieldOfTomorrow: {},
    });
    const text = await send(point, id, body);
    if (text.includes("levitate")) throw new Error("is granted");
    return "is not granted";
  });
  await check("a creation", async () => {
    const { allowed } = await ask(point, {
      intent: "create",
      principal: null,
      repository: "no-such-namespace/new",
    });
    if (allowed) throw new Error("is permitted to nobody in particular");
    return "is not permitted to nobody in particular";
  });
  await check("latency", async () => {
    const took: number[] = [];
    for (let index = 0; index < hurriedQuestions; index += 1) {
      const startedAt = performance.now();
      await ask(point, authorize([repository]));
      took.push(performance.now() - startedAt);
    }
    const slowest = Math.max(...took);
    if (slowest > slowMs) throw new Error(`${Math.round(slowest)} ms at worst; at most ${slowMs} ms`);
    return `${Math.round(slowest)} ms at worst, of ${hurriedQuestions}`;
  });
  return findings;
}

async function ask<Q extends Question>(point: CheckedPoint, question: Q) {
  const id = randomUUID();
  const answer = parseAnswer(id, question, await send(point, id, formatQuestion(id, "check", question)));
  if ("problem" in answer) throw new Error(`the answer cannot be used: ${answer.problem}`);
  return answer;
}

async function send(point: CheckedPoint, id: string, body: string): Promise<string> {
  const response = await post(
    point.url,
    body,
    signMessage(point.secret, "question", body, systemClock.nowMs()),
  );
  const text = await response.text();
  if (response.status !== 200) throw new Error(`answers ${response.status}, not 200`);
  const signature = response.headers.get(signatureHeader) ?? undefined;
  if (!isSignedBy(point.secret, `answer ${id}`, text, signature, systemClock.nowMs())) {
    throw new Error("the answer is not signed with the secret, or a clock is wrong");
  }
  return text;
}

async function expectRefusal(
  point: CheckedPoint,
  question: Question,
  forged: { readonly secret?: string; readonly ageMs?: number; readonly isUnsigned?: true },
): Promise<void> {
  const body = formatQuestion(randomUUID(), "check", question);
  const signature = signMessage(
    forged.secret ?? point.secret,
    "question",
    body,
    systemClock.nowMs() - (forged.ageMs ?? 0),
  );
  const response = await post(point.url, body, forged.isUnsigned === true ? undefined : signature);
  await response.arrayBuffer();
  if (response.status < 400) throw new Error(`is taken: ${response.status}`);
}

function post(url: string, body: string, signature: string | undefined): Promise<Response> {
  return fetch(url, {
    method: "POST",
    redirect: "manual",
    headers: {
      "content-type": "application/json",
      ...(signature !== undefined && { [signatureHeader]: signature }),
    },
    body,
    signal: AbortSignal.timeout(timeoutMs),
  });
}
