import { type Static, Type } from "typebox";

const text = (maxLength: number) => Type.Optional(Type.String({ maxLength }));

/** Docker's OAuth2 token request. Unknown fields are taken: clients add their own. */
export const tokenForm = Type.Object({
  grant_type: Type.String({ maxLength: 50 }),
  service: text(255),
  client_id: text(255),
  access_type: text(50),
  scope: text(50_000),
  username: text(255),
  password: text(4_096),
  refresh_token: text(4_096),
});
export type TokenForm = Static<typeof tokenForm>;
