import { Gauge, type Registry as MetricsRegistry } from "prom-client";
import type { Audit } from "./audit.ts";

/** What an operator watches of the audit log. */
export function declareAuditMetrics(registry: MetricsRegistry, audit: Audit): void {
  const registers = [registry];
  new Gauge({
    name: "entrepot_audit_waiting_entries",
    help: "Entries of this process that wait in memory to be written.",
    registers,
    collect() {
      this.set(audit.trail.waiting());
    },
  });
  new Gauge({
    name: "entrepot_audit_dropped_entries",
    help: "Entries of pulls and refusals that this process dropped because too many waited.",
    registers,
    collect() {
      this.set(audit.trail.dropped());
    },
  });
  new Gauge({
    name: "entrepot_audit_forwarder_waiting_entries",
    help: "Sealed entries that the slowest enabled forwarder has not got.",
    registers,
    async collect() {
      this.set(await audit.forwarderLag());
    },
  });
}
