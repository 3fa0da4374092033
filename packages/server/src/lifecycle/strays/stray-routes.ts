import { checkRecentSignIn, type SignInRules } from "../../http/check-sign-in.ts";
import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import type { Log } from "../../lib/log.ts";
import { clearStrays, countStrays } from "./clear-strays.ts";
import type { StrayDeps } from "./find-strays.ts";
import type { StrayRequest } from "./stray-schema.ts";

const schemas = () => import("./stray-schema.ts");

/** What lies in the blob store and belongs to nothing. */
export function strayEndpoints(
  deps: StrayDeps & { readonly log: Log; readonly signInRules: Pick<SignInRules, "recentMs"> },
): readonly Endpoint[] {
  return [
    endpoint({
      id: "garbage-collection.clear-strays",
      method: "POST",
      path: "/api/v1/garbage-collection/strays",
      can: { who: "administrator" },
      summary:
        "Look for objects in the blob store that the database does not know, and remove them unless `dryRun`, which only who has signed in lately may. Reads the whole listing of the store.",
      body: async () => (await schemas()).strayRequest,
      reply: async () => (await schemas()).strayReply,
      handle: async (call, request) => {
        const { dryRun } = request.body as StrayRequest; // as: checked against `body` before
        const { signal, actor } = call;
        if (!dryRun && actor.kind === "user") {
          checkRecentSignIn(actor, deps.clock.nowMs(), deps.signInRules.recentMs);
        }
        const value = dryRun
          ? await countStrays(deps, signal)
          : await clearStrays(deps, call, { kinds: ["upload", "blob"], signal });
        return { status: 200, body: { kind: "json", value } };
      },
    }),
  ];
}
