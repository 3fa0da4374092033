import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import type { Clock } from "../../../lib/clock.ts";
import { isSignedBy, signatureHeader, signMessage } from "../sign-message.ts";

export const pointSecret = "a-secret-of-the-decision-point-of-the-tests";

/** A question as it arrived. */
export interface ReceivedQuestion {
  readonly id: string;
  readonly protocol: string;
  readonly point: string;
  readonly intent: "login" | "authorize" | "create";
  readonly principal?: string | null;
  readonly repository?: string;
  readonly repositories?: readonly { readonly name: string; readonly actions: readonly string[] }[];
  readonly credential?: {
    readonly kind: string;
    readonly username?: string;
    readonly password?: string;
    readonly token?: string;
  };
  readonly client?: { readonly ip: string; readonly userAgent: string | null };
}

/** How a reply is made wrong, for tests of what must not be believed. */
export interface ReplyFault {
  readonly status?: number;
  readonly body?: string;
  readonly signature?: string;
  readonly isSilent?: boolean;
}

/** Somebody's own permissions behind a real HTTP server. What it answers is changed while it runs. */
export interface DecisionServer {
  readonly url: string;
  readonly questions: ReceivedQuestion[];
  readonly headers: IncomingHttpHeaders[];
  /** "user password" or a token → the principal's id. */
  readonly credentials: Map<string, string>;
  /** "principal repository" → actions; "-" is nobody in particular. */
  readonly rights: Map<string, readonly string[]>;
  /** "principal repository" that may be created. */
  readonly creations: Set<string>;
  ttlSeconds: number;
  cacheKey: string | undefined;
  fault: ReplyFault | undefined;
}

export async function startDecisionServer(
  t: TestContext,
  clock: Clock,
  secret = pointSecret,
): Promise<DecisionServer> {
  const state: Omit<DecisionServer, "url"> = {
    questions: [],
    headers: [],
    credentials: new Map(),
    rights: new Map(),
    creations: new Set(),
    ttlSeconds: 0,
    cacheKey: undefined,
    fault: undefined,
  };
  const server = createServer((request, response) => {
    void reply(request, response);
  });
  const reply = async (request: IncomingMessage, response: ServerResponse) => {
    const asked = await text(request);
    const header = request.headers[signatureHeader];
    if (!isSignedBy(secret, "question", asked, String(header), clock.nowMs())) {
      response.writeHead(401).end();
      return;
    }
    const question: ReceivedQuestion = JSON.parse(asked);
    state.questions.push(question);
    state.headers.push(request.headers);
    const { fault } = state;
    if (fault?.isSilent === true) return;
    const answer = {
      id: question.id,
      ttlSeconds: state.ttlSeconds,
      cacheKey: state.cacheKey,
      ...answerTo(state, question),
    };
    const body = fault?.body ?? JSON.stringify(answer);
    response.writeHead(fault?.status ?? 200, {
      "content-type": "application/json",
      [signatureHeader]:
        fault?.signature ?? signMessage(secret, `answer ${question.id}`, body, clock.nowMs()),
    });
    response.end(body);
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo; // as: it listens on TCP
  return Object.assign(state, { url: `http://127.0.0.1:${port}/decide` });
}

function answerTo(state: Omit<DecisionServer, "url">, question: ReceivedQuestion): object {
  const { credential, principal, repository, repositories = [] } = question;
  switch (question.intent) {
    case "login": {
      const { username, password, token } = credential ?? {};
      const id = state.credentials.get(token ?? `${username} ${password}`);
      return id === undefined
        ? { allowed: false }
        : { allowed: true, principal: { id, name: `name of ${id}` } };
    }
    case "create":
      return { allowed: state.creations.has(`${principal ?? "-"} ${repository}`) };
    case "authorize":
      return {
        granted: repositories.map(({ name }) => ({
          name,
          actions: state.rights.get(`${principal ?? "-"} ${name}`) ?? [],
        })),
      };
  }
}
