import type { RegistryDeps } from "../registry-deps.ts";

/** The same process, but something else happens just before its `at`-th transaction from now on (from 1) begins. */
export function beforeTransaction(
  deps: RegistryDeps,
  at: number,
  happen: () => Promise<unknown>,
): RegistryDeps {
  const { database } = deps;
  let transactions = 0;
  return {
    ...deps,
    database: {
      engine: database.engine,
      read: database.read,
      readAside: database.readAside,
      replica: database.replica,
      async transaction(work, options) {
        transactions += 1;
        if (transactions === at) await happen();
        return database.transaction(work, options);
      },
      foreignChangeStamp: () => database.foreignChangeStamp(),
      onNotice: database.onNotice,
      heardByAll: database.heardByAll,
      load: database.load,
      noticeStamp: (topic) => database.noticeStamp(topic),
      hasMoved: database.hasMoved,
      probe: (timeoutMs) => database.probe(timeoutMs),
      close: () => database.close(),
    },
  };
}
