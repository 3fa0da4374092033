import { test } from "node:test";
import { clients } from "./clients.ts";

test("the clients of the interop tests", (t) => {
  for (const [name, state] of clients) {
    t.diagnostic("skip" in state ? `SKIPPED ${name}: ${state.skip}` : `${name} ${state.version}`);
  }
});
