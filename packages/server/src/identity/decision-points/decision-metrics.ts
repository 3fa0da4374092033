import { Counter, Histogram, type Registry as MetricsRegistry } from "prom-client";
import type { Asked } from "./ask-decision-point.ts";

/** Declares what is measured of decision points; gives what takes the measures. */
export function declareDecisionMetrics(registry: MetricsRegistry): (asked: Asked) => void {
  const questions = new Counter({
    name: "entrepot_decision_point_questions_total",
    help: "Questions to decision points, by point, intent and outcome (answered, failed, refused: not asked, as it failed before).",
    labelNames: ["point", "intent", "outcome"],
    registers: [registry],
  });
  const seconds = new Histogram({
    name: "entrepot_decision_point_seconds",
    help: "Seconds from question to answer or failure, by point and intent.",
    labelNames: ["point", "intent"],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [registry],
  });
  return ({ point, intent, outcome, durationMs }) => {
    questions.inc({ point, intent, outcome });
    if (outcome !== "refused") seconds.observe({ point, intent }, durationMs / 1_000);
  };
}
