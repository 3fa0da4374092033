import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { silentLog } from "../../lib/log.ts";
import { eachDatabase } from "../../storage/database/testing/each-database.ts";
import { underRegionLease } from "./under-region-lease.ts";

const { signal } = new AbortController();

eachDatabase((open) => {
  test("work ends well before a lease runs out that cannot be renewed, and not while it can", async (t) => {
    const database = await open(t);
    let isAway = false;
    let renewedAt = 0;
    const unsteady: typeof database = {
      ...database,
      transaction: (...given) => {
        if (isAway) return Promise.reject(new Error("no connection"));
        renewedAt = performance.now();
        return database.transaction(...given);
      },
    };
    const deps = { database: unsteady, log: silentLog, instanceId: "a" };
    const times = { leaseMs: 6_000, renewMs: 2_000 };
    const heldMs = await underRegionLease(
      deps,
      "us",
      signal,
      async (held) => {
        await wait(3_000);
        assert.ok(!held.aborted, "it was renewed after two seconds");
        isAway = true;
        await wait(20_000, undefined, { signal: held }).catch(() => {});
        return performance.now() - renewedAt;
      },
      times,
    );
    // Four seconds; from six on it is another's.
    assert.ok(heldMs !== undefined && heldMs < 5_700, `${heldMs} ms`);
  });

  test("one process at a time", async (t) => {
    const database = await open(t);
    const deps = { database, log: silentLog };
    const inner = () => underRegionLease({ ...deps, instanceId: "b" }, "us", signal, async () => "b");
    assert.equal(
      await underRegionLease({ ...deps, instanceId: "a" }, "us", signal, async () => (await inner()) ?? "a"),
      "a",
    );
    assert.equal(await inner(), "b", "given back");
  });
});
