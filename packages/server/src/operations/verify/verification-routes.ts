import type { Access } from "../../access/access.ts";
import type { Actor } from "../../access/actor.ts";
import { recordAudit } from "../../activity/audit/record-audit.ts";
import { draftJob } from "../../activity/jobs/draft-job.ts";
import { enqueueJob } from "../../activity/jobs/enqueue-job.ts";
import { checkRecentSignIn, type SignInRules } from "../../http/check-sign-in.ts";
import { type Endpoint, endpoint } from "../../http/endpoint.ts";
import { AppError } from "../../lib/app-error.ts";
import { verificationKind } from "./verification-kind.ts";
import type { VerificationOrder } from "./verification-schema.ts";
import type { VerifyDeps } from "./verify-deps.ts";

const schemas = () => import("./verification-schema.ts");

/** Has all content checked in the background. */
export function verificationEndpoints(
  deps: VerifyDeps & {
    readonly access: Access;
    readonly wake: () => void;
    readonly signInRules: Pick<SignInRules, "recentMs">;
  },
): readonly Endpoint[] {
  const kind = verificationKind(deps);
  return [
    endpoint({
      id: "verifications.create",
      method: "POST",
      path: "/api/v1/verifications",
      can: { who: "auditor" },
      summary:
        "Have all content checked as a job: rows against bytes, and bytes against digests. While one with the same wishes waits, it is that one. Repairs are for administrators who have signed in lately.",
      body: async () => (await schemas()).verificationOrder,
      reply: async () => (await schemas()).verificationReply,
      handle: async (call, request) => {
        const order = request.body as VerificationOrder; // as: checked against `body` before
        if (order.repair === true) checkMayRepair(deps, call.actor);
        const { repair, quick, parallel, megabytesPerSecond } = order;
        const uniqueKey = JSON.stringify([repair, quick, parallel, megabytesPerSecond]);
        const draft = await draftJob(kind, order, { uniqueKey });
        const nowMs = deps.clock.nowMs();
        const jobId = await deps.database.transaction(async (tx) => {
          await recordAudit(tx, call, nowMs, {
            action: "registry.verify",
            target: "registry",
            detail: { repair: order.repair === true, quick: order.quick === true },
          });
          return enqueueJob(tx, draft, call, nowMs);
        });
        deps.wake();
        return { status: 202, body: { kind: "json", value: { jobId } } };
      },
    }),
  ];
}

/** A repair changes rows and removes objects: `DENIED`, `RECENT_SIGN_IN_REQUIRED`. */
function checkMayRepair(
  deps: Pick<VerifyDeps, "clock"> & {
    readonly access: Access;
    readonly signInRules: Pick<SignInRules, "recentMs">;
  },
  actor: Actor,
): void {
  if (!deps.access.isAdministrator(actor)) {
    throw new AppError("DENIED", "only administrators have content repaired");
  }
  if (actor.kind === "user") checkRecentSignIn(actor, deps.clock.nowMs(), deps.signInRules.recentMs);
}
