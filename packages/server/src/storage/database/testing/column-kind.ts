/** What a column is to both engines; "?" = it may be null. */
export type ColumnKind = "id" | "integer" | "integer?" | "text" | "text?" | "bytes";

/** Every column of every table. */
export type ColumnsOf<Tables> = {
  readonly [T in keyof Tables]: { readonly [C in keyof Tables[T]]: ColumnKind };
};
