import type { Queryable } from "../../storage/database/database.ts";
import type { User } from "../users/user-store.ts";
import { findOwnerOf } from "./robot-store.ts";

/** A robot as far as its owner lets it be: with a user who is disabled or whose account has run out, their robots cannot sign in either. */
export async function limitByOwner(db: Queryable, robot: User): Promise<User> {
  const owner = await findOwnerOf(db, robot.id);
  if (owner === undefined) return robot;
  const ends = [robot.expiresAtMs, owner.expiresAtMs].filter((atMs) => atMs !== undefined);
  return {
    ...robot,
    isDisabled: robot.isDisabled || owner.isDisabled,
    expiresAtMs: ends.length === 0 ? undefined : Math.min(...ends),
  };
}
