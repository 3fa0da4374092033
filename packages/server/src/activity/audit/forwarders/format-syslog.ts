import type { StoredEntry } from "../audit-store.ts";
import { formatCef } from "../format-cef.ts";
import { showEntry } from "../show-entry.ts";

// RFC 5424, 6.2.1: facility 13 is "log audit".
const facility = 13;
const severities: Readonly<Record<string, number>> = { succeeded: 6, failed: 4, denied: 5 };

/** One entry as a message of RFC 5424; its text is JSON, or CEF. */
export function formatSyslog(
  entry: StoredEntry,
  from: { readonly hostname: string; readonly version: string; readonly format: "json" | "cef" },
): string {
  const priority = facility * 8 + (severities[entry.outcome] ?? 5);
  const time = new Date(entry.at_ms).toISOString();
  const hostname = printable(from.hostname, 255);
  const text = from.format === "cef" ? formatCef(entry, from.version) : JSON.stringify(showEntry(entry));
  return `<${priority}>1 ${time} ${hostname} entrepot - ${printable(entry.action, 32)} - ${text}`;
}

/** RFC 5425, 4.3: the length in bytes, a space, the message. */
export function frameOctets(message: string): string {
  return `${Buffer.byteLength(message)} ${message}`;
}

/** Header fields are printable ASCII without spaces; "-" when there is nothing. */
function printable(text: string, maxLength: number): string {
  return text.replace(/[^\x21-\x7e]/g, "").slice(0, maxLength) || "-";
}
