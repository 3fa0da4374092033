import { type Static, type TSchema, Type } from "typebox";

const closed = { additionalProperties: false };
const text = (description: string, maxLength = 1_024) =>
  Type.String({ minLength: 1, maxLength, description });
const list = (description: string, maxLength = 1_024) =>
  Type.Array(Type.String({ minLength: 1, maxLength }), { maxItems: 100, description });
const httpUrl = (description: string) =>
  Type.String({ pattern: "^https?://[^\\s]+$", maxLength: 2_048, description });
const pem = (description: string) => Type.String({ maxLength: 100_000, description });
const timeoutSeconds = Type.Optional(
  Type.Integer({ minimum: 1, maximum: 30, description: "how long an answer may take; 5 when absent" }),
);
const plainHttp = Type.Optional(
  Type.Boolean({ description: "take http:// addresses: on a trusted network only" }),
);

const ldapSettings = Type.Object(
  {
    url: Type.String({ pattern: "^ldaps?://[^\\s/?#@]+/?$", maxLength: 300 }),
    startTls: Type.Optional(Type.Boolean()),
    allowPlainText: Type.Optional(
      Type.Boolean({ description: "send passwords unencrypted: on a trusted network only" }),
    ),
    caCertificate: Type.Optional(pem("PEM; who may sign the directory's certificate")),
    bindDn: Type.Optional(text("who searches; absent = anonymous")),
    userBases: Type.Array(text("where people are"), { minItems: 1, maxItems: 20 }),
    userFilter: Type.Optional(
      text(
        "who may sign in (RFC 4515); absent = (objectClass=person). Whom it leaves out loses access.",
        4_096,
      ),
    ),
    usernameAttribute: Type.Optional(text("what people type; uid when absent", 100)),
    subjectAttribute: Type.Optional(
      text("what never changes; entryUUID when absent, objectGUID for Active Directory", 100),
    ),
    emailAttribute: Type.Optional(text("mail when absent", 100)),
    nameAttribute: Type.Optional(text("cn when absent", 100)),
    groups: Type.Optional(
      Type.Object(
        {
          from: Type.Union([Type.Literal("group-entries"), Type.Literal("user-attribute")]),
          bases: Type.Optional(list("where groups are; for group-entries")),
          filter: Type.Optional(text("which entries are groups; absent = any with the attribute", 4_096)),
          attribute: Type.Optional(
            text("of groups: who is in them (member when absent); of users: their groups (memberOf)", 100),
          ),
          holds: Type.Optional(
            Type.Union([Type.Literal("dn"), Type.Literal("username")], {
              description: "what the attribute of a group names its members by; dn when absent",
            }),
          ),
          depth: Type.Optional(
            Type.Integer({ minimum: 0, maximum: 10, description: "of groups in groups; 5 when absent" }),
          ),
        },
        closed,
      ),
    ),
    pageSize: Type.Optional(Type.Integer({ minimum: 10, maximum: 1_000 })),
    syncMinutes: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_440, description: "between two passes; 15 when absent" }),
    ),
    maxLossPercent: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 100,
        description: "a pass that would find more of its users gone does nothing; 50 when absent",
      }),
    ),
    timeoutSeconds,
  },
  closed,
);

const keystoneSettings = Type.Object(
  {
    url: httpUrl("of the identity service, without /v3"),
    version: Type.Optional(Type.Union([Type.Literal(3), Type.Literal(2)])),
    domain: Type.Optional(text("name of the domain of its users; Default when absent", 255)),
    project: Type.Optional(text("whose roles count as groups, as role:NAME", 255)),
    projectDomain: Type.Optional(text("the domain of the project; as domain when absent", 255)),
    withGroups: Type.Optional(Type.Boolean({ description: "ask for the user's groups" })),
    allowPlainHttp: plainHttp,
    timeoutSeconds,
  },
  closed,
);

const externalJwtSettings = Type.Object(
  {
    verifyUrl: httpUrl("checks a user name and password (Basic)"),
    getUserUrl: Type.Optional(httpUrl("says whether somebody is still there")),
    queryUrl: Type.Optional(httpUrl("finds people by a part of their name")),
    issuer: text("`iss` of the answers"),
    certificate: Type.Optional(pem("PEM: certificate or public key that signs the answers")),
    jwksUrl: Type.Optional(httpUrl("or where the keys are published")),
    audience: Type.Optional(
      text("`aud` of verify, with /getuser and /query of the others; quay.io/jwtauthn when absent", 255),
    ),
    maxAgeSeconds: Type.Optional(Type.Integer({ minimum: 30, maximum: 86_400 })),
    syncMinutes: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_440 })),
    maxLossPercent: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
    allowPlainHttp: plainHttp,
    timeoutSeconds,
  },
  closed,
);

const claimValues = Type.Record(Type.String({ minLength: 1, maxLength: 200 }), list("any of these"), {
  description: 'claims that must be there, such as {"amr": ["mfa"]}',
});

const oidcSettings = Type.Object(
  {
    issuer: httpUrl("as in its discovery document"),
    clientId: text("client_id"),
    clientAuthentication: Type.Optional(
      Type.Union([
        Type.Literal("client_secret_basic"),
        Type.Literal("client_secret_post"),
        Type.Literal("none"),
      ]),
    ),
    scopes: Type.Optional(list("openid, profile and email when absent", 100)),
    usernameClaim: Type.Optional(text("preferred_username when absent", 200)),
    groupsClaim: Type.Optional(text("a claim with names of groups; none when absent", 200)),
    requiredClaims: Type.Optional(claimValues),
    secondFactor: Type.Optional(
      Type.Object(
        {
          amr: Type.Optional(list("any of these in amr", 200)),
          acr: Type.Optional(list("or one of these as acr", 200)),
        },
        {
          ...closed,
          description: "what of amr and acr says that there was a second factor; absent = the usual words",
        },
      ),
    ),
    parameters: Type.Optional(
      Type.Record(Type.String({ minLength: 1, maxLength: 100 }), Type.String({ maxLength: 500 }), {
        description: 'added to the request, such as {"acr_values": "mfa"}',
      }),
    ),
    useUserInfo: Type.Optional(Type.Boolean({ description: "ask the userinfo endpoint for more claims" })),
    signOut: Type.Optional(Type.Boolean({ description: "signing out here leads to signing out there" })),
    allowPlainHttp: plainHttp,
    timeoutSeconds,
  },
  closed,
);

const googleSettings = Type.Object(
  {
    clientId: text("client_id"),
    hostedDomains: Type.Optional(list("Workspace domains; absent = anybody with a Google account", 253)),
    issuer: Type.Optional(httpUrl("https://accounts.google.com when absent")),
    allowPlainHttp: plainHttp,
    timeoutSeconds,
  },
  closed,
);

const githubSettings = Type.Object(
  {
    clientId: text("client_id"),
    url: Type.Optional(httpUrl("of GitHub Enterprise; https://github.com when absent")),
    apiUrl: Type.Optional(httpUrl("follows from url when absent")),
    organizations: Type.Optional(
      list('who may sign in: members of any of these, "acme" or "acme/team"; absent = anybody', 200),
    ),
    allowPlainHttp: plainHttp,
    timeoutSeconds,
  },
  closed,
);

const policy = {
  provisioning: Type.Optional(
    Type.Union([Type.Literal("automatic"), Type.Literal("existing"), Type.Literal("invitation")], {
      description:
        "a first sign-in makes a user (when absent), or only links one by verified e-mail address, or needs an invitation",
    }),
  ),
  linkByEmail: Type.Optional(
    Type.Boolean({
      description: "link to the user who has the same verified e-mail address, if there is one",
    }),
  ),
  trustEmail: Type.Optional(
    Type.Boolean({ description: "take its e-mail addresses as verified although it does not say so" }),
  ),
  allowedEmailDomains: Type.Optional(list("whose verified addresses may sign in; absent = any", 253)),
  requiredGroups: Type.Optional(list("who is in none of these may not sign in")),
  adminGroups: Type.Optional(list("their members administer the registry")),
  auditorGroups: Type.Optional(list("their members may read every setting and the audit log")),
  restrictedGroups: Type.Optional(list("their members create no repositories in their own namespace")),
  reconfirmAfterDays: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 3_650,
      description: "users made by it lose access when they have not signed in through it for so long",
    }),
  ),
};

const common = {
  displayName: Type.Optional(text("what the sign-in page shows; the name when absent", 100)),
  position: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 10_000, description: "the order in which they are asked" }),
  ),
  isEnabled: Type.Optional(Type.Boolean()),
  policy: Type.Optional(Type.Object(policy, closed)),
};
const secret = Type.Optional(
  Type.String({ minLength: 1, maxLength: 4_096, description: "kept as it is when absent" }),
);
const clientSecret = Type.Optional(Type.Object({ clientSecret: secret }, closed));
const noSecrets = Type.Optional(Type.Object({}, closed));

/** PUT: a provider of this name is as the body says from then on. */
export const providerBody = Type.Union([
  Type.Object(
    { kind: Type.Literal("oidc"), ...common, settings: oidcSettings, secrets: clientSecret },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal("ldap"),
      ...common,
      settings: ldapSettings,
      secrets: Type.Optional(Type.Object({ bindPassword: secret }, closed)),
    },
    closed,
  ),
  Type.Object(
    { kind: Type.Literal("keystone"), ...common, settings: keystoneSettings, secrets: noSecrets },
    closed,
  ),
  Type.Object(
    { kind: Type.Literal("external-jwt"), ...common, settings: externalJwtSettings, secrets: noSecrets },
    closed,
  ),
  Type.Object(
    { kind: Type.Literal("github"), ...common, settings: githubSettings, secrets: clientSecret },
    closed,
  ),
  Type.Object(
    { kind: Type.Literal("google"), ...common, settings: googleSettings, secrets: clientSecret },
    closed,
  ),
]);

const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

export const providerReply = Type.Object({
  name: Type.String(),
  kind: Type.String(),
  displayName: Type.String(),
  position: Type.Integer(),
  isEnabled: Type.Boolean(),
  policy: Type.Object({}, { additionalProperties: true }),
  settings: Type.Object({}, { additionalProperties: true }),
  secrets: Type.Array(Type.String(), { description: "which are set; their values are never told" }),
  createdAtMs: Type.Integer(),
  updatedAtMs: Type.Integer(),
  syncedAtMs: nullable(Type.Integer()),
  syncReport: nullable(Type.Object({}, { additionalProperties: true })),
});
export const providerList = Type.Object({ providers: Type.Array(providerReply) });
export const signInMethods = Type.Object({
  methods: Type.Array(
    Type.Object({
      id: Type.String(),
      kind: Type.String(),
      displayName: Type.String(),
      how: Type.Union([Type.Literal("password"), Type.Literal("redirect")]),
      address: nullable(Type.String({ description: "where a browser is sent to sign in" })),
    }),
  ),
});
export const providerTestBody = Type.Object(
  {
    username: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
    password: Type.Optional(Type.String({ minLength: 1, maxLength: 1_024 })),
  },
  closed,
);
export const providerTestReply = Type.Object({
  ok: Type.Boolean(),
  message: Type.String(),
  person: nullable(
    Type.Object({
      subject: Type.String(),
      username: Type.String(),
      email: nullable(Type.String()),
      groups: Type.Array(Type.String()),
    }),
  ),
});
export const syncReply = Type.Object({}, { additionalProperties: true });

export const identityReply = Type.Object({
  id: Type.Integer(),
  provider: Type.String(),
  username: Type.String({ description: "at the provider" }),
  email: nullable(Type.String()),
  createdAtMs: Type.Integer(),
  lastSignInAtMs: nullable(Type.Integer()),
});
export const ownIdentityList = Type.Object({ identities: Type.Array(identityReply) });
export const providerIdentityList = Type.Object({
  identities: Type.Array(
    Type.Intersect([
      identityReply,
      Type.Object({
        user: Type.String({ description: "here" }),
        isGoverning: Type.Boolean(),
        lostAtMs: nullable(Type.Integer()),
      }),
    ]),
  ),
  next: nullable(Type.String()),
});
export const linkBody = Type.Object(
  {
    provider: Type.String({ minLength: 1, maxLength: 40 }),
    username: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
    password: Type.Optional(Type.String({ minLength: 1, maxLength: 1_024 })),
    returnTo: Type.Optional(Type.String({ maxLength: 1_000 })),
  },
  closed,
);
export const linkReply = Type.Object({
  identity: nullable(identityReply),
  address: nullable(Type.String({ description: "where to go with this browser to finish" })),
});

export const stepUpElsewhereBody = Type.Object(
  { returnTo: Type.Optional(Type.String({ maxLength: 1_000 })) },
  closed,
);
export const stepUpElsewhereReply = Type.Object({
  address: Type.String({ description: "where to go with this browser" }),
});

const binding = {
  team: Type.String({ maxLength: 400, description: "acme/release" }),
  group: text("its name there", 1_024),
};
export const bindingBody = Type.Object(binding, closed);
export const bindingList = Type.Object({ bindings: Type.Array(Type.Object(binding)) });

export type ProviderBody = Static<typeof providerBody>;
export type Policy = NonNullable<ProviderBody["policy"]>;
export type LdapSettings = Static<typeof ldapSettings>;
export type KeystoneSettings = Static<typeof keystoneSettings>;
export type ExternalJwtSettings = Static<typeof externalJwtSettings>;
export type OidcSettings = Static<typeof oidcSettings>;
export type GoogleSettings = Static<typeof googleSettings>;
export type GithubSettings = Static<typeof githubSettings>;
export type ProviderTestBody = Static<typeof providerTestBody>;
export type StepUpElsewhereBody = Static<typeof stepUpElsewhereBody>;
export type LinkBody = Static<typeof linkBody>;
export type BindingBody = Static<typeof bindingBody>;
