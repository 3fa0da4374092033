/** What a provider says of somebody who has shown it that they are who they say. */
export interface ProviderPerson {
  /** What it calls them for good; a name that is given to somebody else later is another subject. */
  readonly subject: string;
  /** What they call themselves there. */
  readonly username: string;
  readonly email: string | undefined;
  readonly isEmailVerified: boolean;
  readonly fullName: string | undefined;
  /** Undefined = it does not say: what was known of them stays. */
  readonly groups: readonly string[] | undefined;
  /** How they proved it there (RFC 8176); empty when it does not say. */
  readonly methods: readonly string[];
  /** Whether the provider says that there was a second factor; absent = it does not. */
  readonly isMfa?: boolean;
}

/** A provider that is told names and passwords. */
export interface PasswordProvider {
  readonly how: "password";
  /**
   * Whose password it is; undefined when it is wrong, nobody's, or of somebody who may not sign in. Never called with an empty password. Throws when
   * the provider does not answer or makes no sense.
   */
  checkPassword(username: string, password: string, signal: AbortSignal): Promise<ProviderPerson | undefined>;
  /** Throws with a sentence for its administrator when it cannot be used. */
  probe(signal: AbortSignal): Promise<string>;
  /** Undefined where the provider cannot be asked who is there. */
  readonly readDirectory: ReadDirectory | undefined;
}

/** A provider that a browser is sent to. */
export interface RedirectProvider {
  readonly how: "redirect";
  begin(request: RedirectRequest): Promise<RedirectStart>;
  /** Whether it can be asked to have somebody prove anew who they are. */
  readonly canAskAnew: boolean;
  /**
   * Who came back with `callback`. `DENIED` when the provider refused or its answer is not for us, with a sentence that tells no secret. Throws
   * otherwise when it does not answer.
   */
  finish(callback: URL, request: RedirectRequest & { readonly kept: string }): Promise<ProviderPerson>;
  probe(signal: AbortSignal): Promise<string>;
  /** Where a browser goes to sign out there too; undefined when it does not. */
  signOutAddress(returnTo: string): Promise<string | undefined>;
}

export interface RedirectRequest {
  /** Our callback's address, exactly as the provider knows it. */
  readonly redirectUri: string;
  /** Comes back with the browser; unguessable. */
  readonly state: string;
  /** Set when they must prove it anew there, and not go by what the provider remembers; when that was asked for. */
  readonly anewSinceMs?: number | undefined;
  readonly signal: AbortSignal;
}

export interface RedirectStart {
  readonly address: string;
  /** What `finish` needs again; travels sealed in the browser's cookie. */
  readonly kept: string;
}

/** One look at all that a provider knows of our users. */
export type ReadDirectory = (question: DirectoryQuestion, signal: AbortSignal) => Promise<DirectoryAnswer>;

export interface DirectoryQuestion {
  /** Whom we know from it. */
  readonly known: readonly { readonly subject: string; readonly username: string }[];
  /** Whose members are asked for, as `groupKey` writes them. */
  readonly groups: readonly string[];
}

export interface DirectoryAnswer {
  /** Those of `known` who are there and may sign in, and the members of `groups`, with which of `groups` they are in. */
  readonly people: readonly ProviderPerson[];
  /** Groups that were asked for and are not there; their teams are left as they are. */
  readonly missingGroups: readonly string[];
}

/** A DN means the same in any case and with or without spaces after commas; GitHub's names in any case; other names mean what they say. */
export function groupKey(kind: string, name: string): string {
  if (kind === "github") return name.toLowerCase();
  return kind === "ldap"
    ? name
        .trim()
        .toLowerCase()
        .replace(/\s*([,=+])\s*/g, "$1")
    : name;
}
