import { parseDigest } from "@entrepot/oci/digest";
import { type Endpoint, endpoint, type Reply } from "../../http/endpoint.ts";
import { forgetRegion } from "./forget-region.ts";
import {
  describeBlob,
  describeRegions,
  getPlacement,
  type ManageRegionsDeps,
  type RegionStatus,
  setPlacement,
  shapePlacement,
} from "./manage-regions.ts";
import type { PlacementBody } from "./region-schema.ts";
import { retireRegion } from "./retire-region.ts";

const schemas = () => import("./region-schema.ts");
const placementPath = "/api/v1/organizations/{namespace}/placement";
const retirementPath = "/api/v1/regions/{region}/retirement";
const auditor = { who: "auditor" } as const;
const administrator = { who: "administrator" } as const;

/** Storage regions, for whoever runs the registry; where the content of a namespace lies, for whoever is in it. */
export function regionEndpoints(deps: ManageRegionsDeps): readonly Endpoint[] {
  return [
    endpoint({
      id: "regions.list",
      method: "GET",
      path: "/api/v1/regions",
      can: auditor,
      summary:
        "Storage regions: whether they answer, what lies there, what is still to be copied. Empty where there is one storage.",
      reply: async () => (await schemas()).regionList,
      handle: async () => json({ regions: (await describeRegions(deps)).map(shape) }),
    }),
    endpoint({
      id: "regions.forget",
      method: "DELETE",
      path: "/api/v1/regions/{region}",
      can: administrator,
      needsRecentSignIn: true,
      summary: "Forget a storage region that is configured no more. Its bytes are not touched.",
      handle: async (call, { params }) => {
        await forgetRegion(deps, call, params["region"] ?? "", call.signal);
        return { status: 204 };
      },
    }),
    endpoint({
      id: "regions.retire",
      method: "PUT",
      path: retirementPath,
      can: administrator,
      needsRecentSignIn: true,
      summary:
        "Have a storage region emptied while everything runs: nothing new goes there, and what lies there moves to where it may lie instead.",
      handle: async (call, { params }) => {
        await retireRegion(deps, call, params["region"] ?? "", true);
        return { status: 204 };
      },
    }),
    endpoint({
      id: "regions.keep",
      method: "DELETE",
      path: retirementPath,
      can: administrator,
      needsRecentSignIn: true,
      summary: "Use a storage region again that was being emptied.",
      handle: async (call, { params }) => {
        await retireRegion(deps, call, params["region"] ?? "", false);
        return { status: 204 };
      },
    }),
    endpoint({
      id: "regions.of-blob",
      method: "GET",
      path: "/api/v1/blobs/{digest}/regions",
      can: auditor,
      summary: "In which storage regions a blob lies, and to which it is still to be copied.",
      reply: async () => (await schemas()).blobRegions,
      handle: async (_call, { params }) => {
        const digest = parseDigest(params["digest"] ?? "");
        const { sizeBytes, home, placements } = await describeBlob(deps, digest);
        const regions = placements.map(({ region, state, sinceMs, attempts, nextMs, error }) => ({
          region,
          state,
          sinceMs,
          failedAttempts: attempts,
          nextAttemptMs: state === "placed" ? null : nextMs,
          error: error ?? null,
        }));
        return json({ digest, sizeBytes, home: home ?? null, regions });
      },
    }),
    endpoint({
      id: "placements.get",
      method: "GET",
      path: placementPath,
      can: { who: "namespace", action: "view" },
      summary: "In which storage regions the content of a namespace may lie, and to which it is copied.",
      reply: async () => (await schemas()).placement,
      handle: async (_call, { params }) =>
        json(shapePlacement(await getPlacement(deps, params["namespace"] ?? ""))),
    }),
    endpoint({
      id: "placements.set",
      method: "PUT",
      path: placementPath,
      can: administrator,
      needsRecentSignIn: true,
      summary:
        "Say in which storage regions the content of a namespace may lie, and to which it is copied; null = as everywhere.",
      body: async () => (await schemas()).placement,
      reply: async () => (await schemas()).placement,
      handle: async (call, request) => {
        const { allowed, copies } = request.body as PlacementBody; // as: checked against `body` before
        const placement = { allowed: allowed ?? undefined, copies: copies ?? undefined };
        return json(
          shapePlacement(await setPlacement(deps, call, request.params["namespace"] ?? "", placement)),
        );
      },
    }),
  ];
}

function json(value: unknown): Reply {
  return { status: 200, body: { kind: "json", value } };
}

function shape(region: RegionStatus) {
  const { name, isOwn, isConfigured, isCopiedToByDefault, isRetiring, trouble, placed, waiting } = region;
  return {
    name,
    isOwn,
    isConfigured,
    isCopiedToByDefault,
    isRetiring,
    ok: trouble === undefined,
    error: trouble?.error ?? null,
    failingSinceMs: trouble?.sinceMs ?? null,
    blobs: placed.blobs,
    bytes: placed.bytes,
    missing: { ...waiting, oldestSinceMs: waiting.oldestSinceMs ?? null },
    onlyHereBlobs: region.onlyHere,
    uploads: region.uploads,
    countedAtMs: region.countedAtMs === 0 ? null : region.countedAtMs,
    surplusBlobs: region.surplus,
    owedDeletions: region.owedDeletions,
  };
}
