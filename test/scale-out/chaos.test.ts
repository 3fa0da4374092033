import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { type Fault, startFaultProxy } from "@entrepot/server/storage/blob-store/testing/fault-proxy";
import { startObjectServer } from "@entrepot/server/storage/blob-store/testing/start-object-server";
import { startPostgresCluster } from "@entrepot/server/storage/database/testing/postgres-cluster";
import { openLedger, pushUntil, verifyLedger } from "../support/ledger.ts";
import { openSession } from "../support/registry-session.ts";
import { administrator } from "../support/server-process.ts";
import { chaosPage, type Round } from "./chaos-page.ts";
import { type Cluster, missingForCluster, startCluster } from "./start-cluster.ts";
import { missingForNamespaces, startNamespace } from "./start-namespace.ts";
import { startRelay } from "./start-relay.ts";
import { untilItWorks } from "./until-it-works.ts";

// The short form is for every run, with others beside it; `ENTREPOT_TEST_CHAOS=100` is the long one, for a machine that does nothing else;
// `ENTREPOT_TEST_CHAOS_WRITE=docs/chaos.md` writes down what it found.
const longForm = process.env["ENTREPOT_TEST_CHAOS"];
const page = process.env["ENTREPOT_TEST_CHAOS_WRITE"];
const rounds = Number(longForm ?? 9);
const instances = 3;
const pushers = 4;
/** What is pushed is kept in memory, by Ceph and here. */
const largestBytes = Math.min(2_000_000, 50_000_000 / rounds);
const recoveryLimitMs = longForm === undefined ? 120_000 : 10_000;

interface Disaster {
  readonly name: string;
  /** Does harm, and ends it. */
  strike(): Promise<void>;
}

/** All that can be hurt. The last instance reaches database and bucket through cables of its own. */
interface World {
  readonly cluster: Cluster;
  readonly disasters: readonly Disaster[];
}

const skip = missingForCluster() ?? false;

test("whatever happens to instances, database, bucket and network, nothing acknowledged is lost and work goes on soon", {
  skip,
}, async (t: TestContext) => {
  // Nobody wants to wait half an hour for the first word.
  const say = (line: string) => (longForm === undefined ? t.diagnostic(line) : console.log(line));
  const { cluster, disasters } = await begin(t);
  const ledger = openLedger();
  const session = openSession(cluster.origin, administrator, 8_000);
  const over = new AbortController();
  const work = Array.from({ length: pushers }, (_, pusher) =>
    pushUntil(over.signal, session, ledger, { pusher, goesOn: true, largestBytes }),
  );
  const startedAt = performance.now();
  const past: Round[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      const disaster =
        disasters[round < disasters.length ? round : Math.floor(Math.random() * disasters.length)];
      assert.ok(disaster !== undefined);
      const before = ledger.manifests.size;
      await disaster.strike();
      const recoveryMs = await timeToRecover(cluster);
      const manifests = ledger.manifests.size - before;
      past.push({ disaster: disaster.name, recoveryMs, manifests });
      say(
        `${round + 1}. ${disaster.name}: works again after ${Math.round(recoveryMs)} ms; ${manifests} manifests acknowledged meanwhile`,
      );
      if (recoveryMs > recoveryLimitMs) for (const line of lastWords(cluster)) say(line);
      await wait(300 + Math.random() * 700);
    }
  } finally {
    over.abort();
    await Promise.all(work);
  }
  const tookMs = performance.now() - startedAt;
  // Read from each instance, not only from whichever the load balancer likes.
  await Promise.all(
    cluster.instances.map(({ origin }) =>
      verifyLedger(openSession(origin, administrator), ledger, Number.POSITIVE_INFINITY),
    ),
  );
  say(`${ledger.blobs.size} blobs and ${ledger.manifests.size} manifests were acknowledged and are there`);
  assert.ok(ledger.manifests.size > rounds, "work was done between the disasters");
  if (page !== undefined) {
    const [blobs, manifests, unanswered] = [ledger.blobs.size, ledger.manifests.size, ledger.unanswered.size];
    writeFileSync(
      join(import.meta.dirname, "../..", page),
      chaosPage({ rounds: past, instances, pushers, blobs, manifests, unanswered, tookMs }),
    );
  }
  assert.deepEqual(
    past.filter(({ recoveryMs }) => recoveryMs > recoveryLimitMs),
    [],
    "works again soon after each",
  );
});

async function begin(t: TestContext): Promise<World> {
  const missing = missingForNamespaces();
  if (missing !== undefined) t.diagnostic(`NO NETWORK NAMESPACES, relays are cut instead: ${missing}`);
  const network = missing === undefined ? await startNamespace() : undefined;
  t.after(() => network?.close());
  const host = network?.hostAddress;
  const postgres =
    host === undefined
      ? await startPostgresCluster()
      : await startPostgresCluster(undefined, { listen_addresses: host }, `${host}/30`);
  t.after(() => postgres.stop());
  const objects = await startObjectServer("ceph");
  t.after(() => objects.stop());
  const bucket = await startFaultProxy(objects.origin);
  const folder = new URLSearchParams(postgres.url.split("?")[1]).get("host") ?? "";
  const cables = await Promise.all([
    startRelay({ path: `${folder}/.s.PGSQL.5432` }, host),
    startRelay({ host: "127.0.0.1", port: Number(new URL(bucket.origin).port) }, host),
  ]);
  const last = instances - 1;
  const cluster = await startCluster(t, {
    instances,
    objects,
    databaseUrl: postgres.url,
    routeOf: (index) =>
      index === last
        ? {
            database: `postgres://postgres@${host ?? "127.0.0.1"}:${host === undefined ? cables[0].port : 5432}/postgres`,
            endpoint: `http://${host ?? "127.0.0.1"}:${cables[1].port}`,
          }
        : { database: postgres.url, endpoint: bucket.origin },
    within: (index) => (index === last ? network : undefined),
  });
  t.after(async () => {
    await Promise.all(cables.map((cable) => cable.close()));
    await bucket.close();
  });
  const spoiling = (name: string, fault: Fault, share: number): Disaster => ({
    name,
    async strike() {
      bucket.spoil(() => (Math.random() < share ? fault : undefined));
      await wait(3_000);
      bucket.spoil(undefined);
    },
  });
  return {
    cluster,
    disasters: [
      {
        name: "an instance killed",
        strike: () => cluster.replace(Math.floor(Math.random() * instances), "SIGKILL"),
      },
      { name: "the database restarted", strike: () => postgres.restart() },
      spoiling("the bucket answers 503", { kind: "status", status: 503, code: "SlowDown" }, 0.5),
      spoiling("the bucket answers 500", { kind: "status", status: 500, code: "InternalError" }, 1),
      spoiling("the bucket's answers break off", { kind: "truncated", afterBytes: 100 }, 0.3),
      spoiling("the bucket's answers get lost", { kind: "lost-answer" }, 0.3),
      {
        name: "an instance stopped in the middle of its work",
        async strike() {
          const { pid } = cluster.instances[Math.floor(Math.random() * instances)] ?? {};
          assert.ok(pid !== undefined && pid > 0);
          process.kill(pid, "SIGSTOP");
          await wait(5_000);
          process.kill(pid, "SIGCONT");
        },
      },
      {
        name: "one instance without an answer from the bucket",
        async strike() {
          cables[1].cut();
          await wait(5_000);
          cables[1].mend();
        },
      },
      {
        name: "one instance cut off",
        async strike() {
          if (network === undefined) for (const cable of cables) cable.cut();
          else await network.cut();
          await wait(5_000);
          if (network === undefined) for (const cable of cables) cable.mend();
          else await network.mend();
        },
      },
    ],
  };
}

/** What the instances printed last. */
function lastWords(cluster: Cluster): readonly string[] {
  return cluster.instances.flatMap((instance, index) =>
    instance
      .output()
      .trim()
      .split("\n")
      .slice(-30)
      .map((line) => `instance ${index}: ${line}`),
  );
}

/** How long until every instance, asked by itself, takes a push and gives it back. */
async function timeToRecover(cluster: Cluster): Promise<number> {
  const startedAt = performance.now();
  const sessions = cluster.instances.map(({ origin }) => openSession(origin, administrator, 3_000));
  await Promise.all(
    sessions.map((session, index) =>
      untilItWorks(session, `recovered/i${index}`, startedAt, 3 * recoveryLimitMs),
    ),
  );
  return performance.now() - startedAt;
}
