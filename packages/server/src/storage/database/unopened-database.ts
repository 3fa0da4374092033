import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from "kysely";
import type { Database } from "./database.ts";
import type { Tables } from "./tables.ts";

/**
 * A database that is not there: queries can be built, none can be run (`Error`). For building the program to look at it, as the generators of
 * documents do.
 */
export function unopenedDatabase(): Database {
  const refuse = async (): Promise<never> => {
    throw new Error("this database was never opened");
  };
  class ClosedDriver extends DummyDriver {
    override acquireConnection(): Promise<never> {
      return refuse();
    }
  }
  const read = new Kysely<Tables>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new ClosedDriver(),
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  });
  return {
    engine: "sqlite",
    read,
    readAside: refuse,
    replica: undefined,
    transaction: refuse,
    foreignChangeStamp: () => undefined,
    noticeStamp: () => undefined,
    onNotice: () => () => {},
    heardByAll: async () => {},
    load: () => ({ inUse: 0, waiting: 0, size: 1 }),
    hasMoved: () => false,
    probe: refuse,
    close: async () => {},
  };
}
