import type { Migration } from "kysely/migration";
import * as initial from "./0001-initial.ts";
import * as organizations from "./0002-organizations.ts";
import * as grantsByPlace from "./0003-grants-by-place.ts";
import * as invitations from "./0004-invitations.ts";
import * as credentials from "./0005-credentials.ts";
import * as providers from "./0006-providers.ts";
import * as sessions from "./0007-sessions.ts";
import * as email from "./0008-email.ts";
import * as signUp from "./0008-sign-up.ts";
import * as trustRules from "./0008-trust-rules.ts";
import * as audit from "./0009-audit.ts";
import * as decisionPoints from "./0010-decision-points.ts";
import * as pullLimits from "./0011-pull-limits.ts";
import * as seenNetworks from "./0012-seen-networks.ts";

import * as jobs from "./0014-jobs.ts";

import * as quarantine from "./0016-quarantine.ts";
import * as regions from "./0017-regions.ts";

/** Every migration by name; names sort in the order in which they run and never change once released. */
export const allMigrations: Readonly<Record<string, Migration>> = {
  "0001-initial": initial,
  "0002-organizations": organizations,
  "0003-grants-by-place": grantsByPlace,
  "0004-invitations": invitations,
  "0005-credentials": credentials,
  "0006-providers": providers,
  "0007-sessions": sessions,
  "0008-email": email,
  "0008-sign-up": signUp,
  "0008-trust-rules": trustRules,
  "0009-audit": audit,
  "0010-decision-points": decisionPoints,
  "0011-pull-limits": pullLimits,
  "0012-seen-networks": seenNetworks,
  "0014-jobs": jobs,
  "0016-quarantine": quarantine,
  "0017-regions": regions,
};
