import type { Compilable, CompiledQuery } from "kysely";
import type { Queryable } from "./database.ts";

/**
 * A query whose text is built once for each database and run with other values from then on: building costs more than a point read on SQLite takes. For the few
 * hottest reads; `build` is called with placeholders and must use each value once, in the order of `values`.
 */
export function compiledQuery<Values extends readonly (string | number)[], Row>(
  build: (db: Queryable, values: Values) => Compilable<Row>,
): (db: Queryable, values: Values) => Promise<readonly Row[]> {
  const compiled = new WeakMap<Queryable, CompiledQuery<Row>>();
  return async (db, values) => {
    let query = compiled.get(db);
    if (query === undefined) {
      query = build(db, values).compile();
      if (
        query.parameters.length !== values.length ||
        query.parameters.some((value, index) => value !== values[index])
      ) {
        throw new Error("a compiled query must use its values once each, in their order");
      }
      compiled.set(db, query);
    }
    const result = await db.executeQuery<Row>({ ...query, parameters: values });
    return result.rows;
  };
}
