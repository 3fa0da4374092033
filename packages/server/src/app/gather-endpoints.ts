import type { Config } from "../config/config.ts";
import type { Endpoint } from "../http/endpoint.ts";
import { openapiEndpoints } from "../http/openapi/openapi-routes.ts";
import { garbageCollectionEndpoints } from "../lifecycle/garbage-collection/garbage-collection-routes.ts";
import { strayEndpoints } from "../lifecycle/strays/stray-routes.ts";
import { healthEndpoints } from "../operations/health/health-routes.ts";
import { metricsEndpoints } from "../operations/metrics/metrics-routes.ts";
import { verificationEndpoints } from "../operations/verify/verification-routes.ts";
import type { Areas } from "./assemble-areas.ts";
import { placesOf, strayGraceOf, verifyDepsOf } from "./housekeeping-kinds.ts";

/** Everything that the server answers. The documents and the permission matrix are made from the same list. */
export function gatherEndpoints(config: Config, areas: Areas): readonly Endpoint[] {
  const { stores } = areas;
  const { signInRules } = stores.identity;
  const all: readonly Endpoint[] = [
    ...areas.registry.endpoints,
    ...stores.identity.endpoints,
    ...areas.email.endpoints,
    ...stores.audit.endpoints,
    ...stores.tokenIssuers.endpoints(stores.access),
    ...stores.decisions.endpoints({
      access: stores.access,
      setRepositoryState: areas.registry.setRepositoryState,
    }),
    ...garbageCollectionEndpoints(areas.collector, areas.jobs.wake),
    ...areas.jobs.endpoints,
    ...areas.regions.endpoints,
    ...strayEndpoints({
      ...stores,
      places: placesOf(stores),
      log: areas.log,
      strayGraceMs: strayGraceOf(config),
      signInRules,
    }),
    ...verificationEndpoints({
      ...verifyDepsOf(config, stores),
      access: stores.access,
      wake: areas.jobs.wake,
      signInRules,
    }),
    ...healthEndpoints(areas.health),
    ...metricsEndpoints(areas.metrics, config.metricsAccess),
    ...openapiEndpoints(() => all),
  ];
  return all;
}
