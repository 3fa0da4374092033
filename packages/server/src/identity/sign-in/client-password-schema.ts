import { type Static, Type } from "typebox";
import { freshSecret } from "../access-tokens/access-token-schema.ts";

export const clientPasswordBody = Type.Object(
  { password: Type.String({ minLength: 1, maxLength: 1_024 }) },
  { additionalProperties: false },
);
export const clientPasswordReply = Type.Object({ username: Type.String(), ...freshSecret });

export type ClientPasswordBody = Static<typeof clientPasswordBody>;
