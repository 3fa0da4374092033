import type { ColumnType, Generated } from "kysely";

/** A key that the database gives out. */
export type Id = Generated<number>;
export type Bytes = ColumnType<Uint8Array, Uint8Array, Uint8Array>;
