import { type Static, Type } from "typebox";
import { nullable } from "../schema-words.ts";

const closed = { additionalProperties: false };

export const invitationReply = Type.Object({
  id: Type.Integer(),
  namespace: Type.String(),
  team: Type.String(),
  email: nullable(Type.String()),
  username: nullable(Type.String()),
  invitedBy: Type.String(),
  createdAtMs: Type.Integer(),
  expiresAtMs: Type.Integer(),
});
export const invitationList = Type.Object({
  invitations: Type.Array(invitationReply),
  next: nullable(Type.String()),
});
export const ownInvitationList = Type.Object({ invitations: Type.Array(invitationReply) });
export const newInvitation = Type.Union([
  Type.Object({ email: Type.String({ minLength: 3, maxLength: 254 }) }, closed),
  Type.Object({ username: Type.String({ minLength: 1, maxLength: 64 }) }, closed),
]);
export const acceptance = Type.Union([
  Type.Object({ token: Type.String({ minLength: 1, maxLength: 100 }) }, closed),
  Type.Object({ id: Type.Integer({ minimum: 1 }) }, closed),
  Type.Object(
    {
      token: Type.String({ minLength: 1, maxLength: 100 }),
      username: Type.String({ minLength: 1, maxLength: 64 }),
      password: Type.String({ minLength: 1, maxLength: 1_024 }),
    },
    { ...closed, description: "makes an account for whoever has none" },
  ),
]);
export const acceptedReply = Type.Object({
  username: Type.String(),
  namespace: Type.String(),
  team: Type.String(),
});

export type InvitationBody = Static<typeof newInvitation>;
export type AcceptanceBody = Static<typeof acceptance>;
