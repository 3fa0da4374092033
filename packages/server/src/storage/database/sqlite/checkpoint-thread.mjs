// Plain JavaScript: the thread loads this file as it is, from the sources and from the built program alike, and nothing else.
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";

const { file, fullFromPages } = workerData;
/** What is copied while writers wait, and how long they may be kept waiting for somebody else who still reads. */
const fewPages = 1_000;
const db = new DatabaseSync(file, { timeout: 50 });
const passive = db.prepare("pragma wal_checkpoint(passive)");
const full = db.prepare("pragma wal_checkpoint(full)");

// undefined ends the thread. Closing is what lets the last connection remove the log.
parentPort.on("message", (wish) => {
  if (wish === undefined) {
    db.close();
    parentPort.close();
    return;
  }
  try {
    let done = passive.get();
    // Writers went on meanwhile, so the log was never wholly copied and grows on. When few pages are left they are copied while writers wait; many are left when
    // somebody reads an old state, and then waiting would gain nothing.
    const isNearlyDone = done.busy === 0 && done.log - done.checkpointed < fewPages;
    if (isNearlyDone && done.log >= fullFromPages) done = full.get();
    parentPort.postMessage({ logPages: done.log });
  } catch (error) {
    parentPort.postMessage({ problem: String(error) });
  }
});
