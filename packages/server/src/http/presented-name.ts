/**
 * The user name of a Basic credential, for the record of who was refused; undefined when there is none, or when it does not have the form of a name:
 * people paste passwords and tokens into the wrong field.
 */
export function presentedName(authorization: string | undefined): string | undefined {
  const [, value] = /^basic +([A-Za-z0-9+/_=-]{1,2048})$/i.exec(authorization ?? "") ?? [];
  if (value === undefined) return undefined;
  const [name = ""] = Buffer.from(value, "base64").toString("utf8").split(":", 1);
  return /^[a-z0-9][a-z0-9._+-]{0,63}$/.test(name) && !/^ent[a-z]_/.test(name) ? name : undefined;
}
