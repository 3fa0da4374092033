import type { NamespaceAction, RepositoryAction } from "../../access/actions.ts";
import type { AccountKind } from "../../access/actor.ts";
import { assertNever } from "../../lib/assert-never.ts";
import type { Permission } from "../endpoint.ts";

/** What decides about a kind of caller, said independently of the code that decides: the permission table and its test go by this. */
interface CallerProfile {
  readonly account: AccountKind | "nobody" | "external";
  readonly description: string;
  /** On the repository that is asked for, by grant or otherwise. */
  readonly repository: readonly RepositoryAction[];
  /** On the namespace that is asked for. */
  readonly namespace: readonly NamespaceAction[];
  readonly isAdmin?: true;
  readonly isAuditor?: true;
  /** The credential shown carries only these actions on the repository, and nothing else; `asks` = a wider one can be had. */
  readonly limit?: { readonly actions: readonly RepositoryAction[]; readonly answer: "denied" | "asks" };
}

const all = ["pull", "push", "delete", "admin"] as const;
const wholeNamespace = ["view", "create", "admin"] as const;
const nothing = { repository: [], namespace: [] } as const;

export const callerKinds = {
  anonymous: { account: "nobody", description: "no credential", ...nothing },
  stranger: { account: "person", description: "signed in, no right on what is asked for", ...nothing },
  reader: { account: "person", description: "a grant to read", ...nothing, repository: ["pull"] },
  writer: {
    account: "person",
    description: "a grant to write",
    ...nothing,
    repository: ["pull", "push", "delete"],
  },
  "repository admin": {
    account: "person",
    description: "a grant to administer",
    ...nothing,
    repository: all,
  },
  member: {
    account: "person",
    description: "in a team of the organization",
    repository: [],
    namespace: ["view"],
  },
  creator: {
    account: "person",
    description: "in a team that creates repositories",
    repository: [],
    namespace: ["view", "create"],
  },
  "namespace admin": {
    account: "person",
    description: "in a team that administers the organization",
    repository: all,
    namespace: wholeNamespace,
  },
  owner: {
    account: "person",
    description: "it is their own namespace",
    repository: all,
    namespace: wholeNamespace,
  },
  auditor: {
    account: "person",
    description: "reads every setting, changes nothing",
    repository: [],
    namespace: ["view"],
    isAuditor: true,
  },
  robot: {
    account: "robot",
    description: "a program's account, with a grant to write",
    ...nothing,
    repository: ["pull", "push", "delete"],
  },
  issuer: { account: "issuer", description: "makes credentials for others", ...nothing },
  issued: {
    account: "issued",
    description: "made by an issuer, with a grant to read",
    ...nothing,
    repository: ["pull"],
  },
  external: {
    account: "external",
    description: "known to somebody outside only, who permits nothing",
    ...nothing,
  },
  administrator: {
    account: "person",
    description: "of the whole registry",
    repository: all,
    namespace: wholeNamespace,
    isAdmin: true,
  },
  "limited token": {
    account: "person",
    description: "an administrator's access token for pull and push",
    repository: all,
    namespace: wholeNamespace,
    isAdmin: true,
    limit: { actions: ["pull", "push"], answer: "denied" },
  },
  "bearer token": {
    account: "person",
    description: "an administrator's docker token for pull and push",
    repository: all,
    namespace: wholeNamespace,
    isAdmin: true,
    limit: { actions: ["pull", "push"], answer: "asks" },
  },
} as const satisfies Readonly<Record<string, CallerProfile>>;
export type CallerKind = keyof typeof callerKinds;

/** How an endpoint answers before its handler is asked: it lets through, asks to sign in or for a wider token (401), or refuses (403). */
export type GateAnswer = "passes" | "asks" | "denied";

/** What a permission means for a kind of caller. */
export function answerOf(can: Permission, kind: CallerKind): GateAnswer {
  const caller: CallerProfile = callerKinds[kind];
  const { account, limit } = caller;
  const isWhole = limit === undefined;
  if (account === "issuer" && can.who !== "public") return refuse(caller, can.who === "issuer" && isWhole);
  switch (can.who) {
    case "public":
    case "identified":
      return "passes";
    case "signed-in":
      return account === "nobody" || account === "external" ? "asks" : "passes";
    case "person":
      return refuse(caller, account === "person" && isWhole);
    case "issuer":
      return refuse(caller, false);
    case "auditor":
      return refuse(caller, (caller.isAuditor === true || caller.isAdmin === true) && isWhole);
    case "administrator":
      return refuse(caller, caller.isAdmin === true && isWhole);
    case "namespace":
      return refuse(caller, caller.namespace.includes(can.action) && isWhole);
    case "repository": {
      const oversees = caller.isAuditor === true || caller.repository.includes("admin");
      if (can.orOverseer === true && oversees && isWhole) return "passes";
      const may = caller.repository.includes(can.action);
      if (may && limit !== undefined && !limit.actions.includes(can.action)) return limit.answer;
      return refuse(caller, may);
    }
    default:
      return assertNever(can);
  }
}

function refuse(caller: CallerProfile, isPermitted: boolean): GateAnswer {
  if (isPermitted) return "passes";
  return caller.account === "nobody" ? "asks" : "denied";
}
