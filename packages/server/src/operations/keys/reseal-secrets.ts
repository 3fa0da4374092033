import { sealContextOf as forwarderContext } from "../../activity/audit/forwarders/forward-entries.ts";
import { byPartOfRegistry, recordAudit } from "../../activity/audit/record-audit.ts";
import { sealContextOf as mailContext } from "../../activity/email/mail-queue.ts";
import { secretContext as decisionPointContext } from "../../identity/decision-points/ask-decision-point.ts";
import { sealContext as elevationContext } from "../../identity/elevations/manage-elevation-roles.ts";
import { totpContext } from "../../identity/mfa/verify-factor.ts";
import { secretsContext } from "../../identity/providers/build-provider.ts";
import type { Clock } from "../../lib/clock.ts";
import type { SecretBox } from "../../lib/secret-box.ts";
import type { Database } from "../../storage/database/database.ts";
import {
  listSealedOtherwise,
  replaceSeal,
  type SealedPlace,
  type SealedRow,
  sealedPlaces,
} from "./sealed-store.ts";

export interface Resealed {
  readonly resealed: number;
  /** Secrets that no key opens: whoever owns them must give them again. Table and row, never a value. */
  readonly lost: readonly string[];
}

const pageSize = 100;

/**
 * Seals every secret in the database with the present key that another key has sealed. In small transactions, beside everything else, may be repeated
 * and interrupted; processes that have both keys open either.
 */
export async function resealSecrets(
  deps: { readonly database: Database; readonly secretBox: SecretBox; readonly clock: Clock },
  signal: AbortSignal,
): Promise<Resealed> {
  const { database, secretBox } = deps;
  const [present = ""] = secretBox.fingerprints;
  const lost: string[] = [];
  let resealed = 0;
  for (const place of sealedPlaces) {
    for (let after: string | number | undefined; ; ) {
      signal.throwIfAborted();
      const rows = await listSealedOtherwise(database.read, place, { present, after, limit: pageSize });
      const last = rows.at(-1);
      if (last === undefined) break;
      for (const row of rows) {
        const text = tryOpen(secretBox, row.sealed, contextOf(place, row));
        if (text === undefined) {
          lost.push(`${place.table} ${row.key}`);
          continue;
        }
        const sealed = secretBox.seal(text, contextOf(place, row));
        if (await database.transaction((tx) => replaceSeal(tx, place, row, sealed))) resealed += 1;
      }
      after = last.key;
    }
  }
  if (resealed > 0) {
    await database.transaction((tx) =>
      recordAudit(tx, byPartOfRegistry("keys"), deps.clock.nowMs(), {
        action: "keys.reseal",
        target: "registry",
        detail: { key: present, resealed, lost: lost.length },
      }),
    );
  }
  return { resealed, lost };
}

function tryOpen(box: SecretBox, sealed: string, context: string): string | undefined {
  try {
    return box.open(sealed, context);
  } catch {
    return undefined;
  }
}

function contextOf(place: SealedPlace, { label }: SealedRow): string {
  switch (place.table) {
    case "sign_in_providers":
      return secretsContext(label);
    case "totp_seeds":
      return totpContext(Number(label));
    case "elevation_roles":
      return elevationContext;
    case "decision_points":
      return decisionPointContext(label);
    case "audit_forwarders":
      return forwarderContext(label);
    case "facts":
      return label;
    case "mails": {
      const space = label.indexOf(" ");
      return mailContext(label.slice(0, space), label.slice(space + 1));
    }
  }
}
