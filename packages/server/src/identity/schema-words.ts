import { type TSchema, Type } from "typebox";

/** Text of one line: no control characters. */
export function line(maxLength: number, minLength = 1) {
  return Type.String({
    minLength,
    maxLength,
    pattern: "^[^\\u0000-\\u001f\\u007f]*$",
    description: "any text without control characters",
  });
}

/** Text of any number of lines, none included. */
export function text(maxLength: number) {
  return Type.String({ maxLength, pattern: "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f]*$" });
}

/** Kept in lower case. That somebody reads it is only known once they have answered. */
export const emailAddress = Type.String({
  maxLength: 254,
  pattern: '^[^\\s@<>(),;:"\\\\\\u0000-\\u001f\\u007f]+@[^\\s@<>(),;:"\\\\\\u0000-\\u001f\\u007f]+$',
  description: "name@domain",
});

export function nullable<T extends TSchema>(schema: T) {
  return Type.Union([schema, Type.Null()]);
}
