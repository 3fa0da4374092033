import type { StoredEntry } from "./audit-store.ts";
import { elevationIdsOf } from "./show-entry.ts";

const severities: Readonly<Record<string, number>> = { succeeded: 3, failed: 5, denied: 6 };

/**
 * One entry as a line of ArcSight's Common Event Format (Implementing ArcSight CEF, revision 25), without a syslog header. What CEF has no key for
 * goes into its custom strings.
 */
export function formatCef(entry: StoredEntry, version: string): string {
  const header = ["CEF:0", "Entrepot", "entrepot", version, entry.action, entry.action];
  const severity = severities[entry.outcome] ?? 5;
  const extension = {
    rt: String(entry.at_ms),
    externalId: String(entry.sequence ?? ""),
    suser: entry.actor,
    suid: entry.actor_user_id === null ? undefined : String(entry.actor_user_id),
    src: entry.address,
    requestClientApplication: entry.user_agent,
    outcome: entry.outcome,
    msg: entry.target,
    cs1Label: "namespace",
    cs1: entry.namespace,
    cs2Label: "repository",
    cs2: entry.repository,
    cs3Label: "requestId",
    cs3: entry.request_id,
    cs4Label: "credential",
    cs4: entry.credential === null ? undefined : `${entry.credential} ${entry.credential_id ?? ""}`.trimEnd(),
    cs5Label: "change",
    cs5: changeOf(entry),
    cs6Label: "hash",
    cs6: entry.hash,
    cn1Label: "elevation",
    cn1: elevationIdsOf(entry)[0]?.toString(),
  };
  const pairs = Object.entries(extension).filter(([key, value]) => {
    const held = key.endsWith("Label") ? Reflect.get(extension, key.slice(0, -"Label".length)) : value;
    return held !== undefined && held !== null && held !== "";
  });
  const fields = pairs.map(([key, value]) => `${key}=${escapeValue(value ?? "")}`);
  return `${header.map(escapeHeader).join("|")}|${severity}|${fields.join(" ")}`;
}

function changeOf(entry: StoredEntry): string | undefined {
  const { before, after, detail } = entry;
  if (before === null && after === null && detail === null) return undefined;
  const parts = { before, after, detail };
  return Object.entries(parts)
    .flatMap(([name, text]) => (text === null ? [] : [`${name} ${text}`]))
    .join(" ");
}

function escapeHeader(text: string): string {
  return text.replace(/[\\|]/g, "\\$&").replace(/[\r\n]+/g, " ");
}

function escapeValue(text: string): string {
  return text.replace(/[\\=]/g, "\\$&").replace(/\r\n|\r|\n/g, "\\n");
}
