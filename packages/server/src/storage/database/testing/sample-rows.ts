import type { DatabaseSync } from "node:sqlite";
import { describeTables, type MovedTable, quoted, type Value } from "../move/moved-table.ts";

/** Rows by number for every table of the schema, made from what SQLite tells of it: those of one number refer to each other. */
export interface SampleRows {
  /** In an order in which rows can be inserted. */
  readonly tables: readonly MovedTable[];
  insert(table: MovedTable, n: number): void;
  /** Changes something of the row, and its key where it has nothing else. */
  update(table: MovedTable, n: number): void;
  remove(table: MovedTable, n: number): void;
}

/** What the schema checks beyond what can be read off it. */
const particular: Readonly<Record<string, Value>> = {
  "grants.pattern": null,
  "grants.prefix": null,
  "grants.team_id": null,
  "default_grants.team_id": null,
  "elevation_role_members.team_id": null,
  "elevation_roles.namespace_id": null,
  "invitations.email": null,
  "audit_entries.sequence": null,
  "audit_entries.hash": null,
  // Nothing may refer to what refers back to it.
  "users.namespace_id": null,
  "users.issuer_user_id": null,
};

/** There is one row of these, whatever the number. */
const single: ReadonlySet<string> = new Set(["audit_chain"]);

export function sampleRows(db: DatabaseSync): SampleRows {
  const parents = new Map<string, { readonly table: string; readonly column: string }>();
  const texts = new Map<string, string>();
  const types = new Map<string, string>();
  const described = describeTables(db);
  for (const { name } of described) {
    texts.set(
      name,
      String(
        db.prepare("select sql from sqlite_schema where name = ? and type = 'table'").get(name)?.["sql"],
      ),
    );
    for (const row of db.prepare("select name, type from pragma_table_info(?)").all(name)) {
      types.set(`${name}.${String(row["name"])}`, String(row["type"]).toLowerCase());
    }
    for (const row of db.prepare('select "from", "table", "to" from pragma_foreign_key_list(?)').all(name)) {
      parents.set(`${name}.${String(row["from"])}`, {
        table: String(row["table"]),
        column: String(row["to"]),
      });
    }
  }

  function valueOf(table: string, column: string, n: number): Value {
    const place = `${table}.${column}`;
    const given = particular[place];
    if (given !== undefined) return given;
    const parent = parents.get(place);
    if (parent !== undefined) return valueOf(parent.table, parent.column, n);
    if (single.has(table) && column === "id") return 1;
    const text = texts.get(table) ?? "";
    if (new RegExp(`${column} in \\(0, 1\\)`).test(text)) return 0;
    const [, choice] = new RegExp(`${column} in \\('([a-z]+)'`).exec(text) ?? [];
    if (choice !== undefined) return choice;
    if (types.get(place) === "integer") return 1_000 + n;
    if (types.get(place) === "blob") return Buffer.from([0, 255, 92, n]);
    return `${column} ${n} "\\ü😀\n`;
  }

  const whereKey = (table: MovedTable): string =>
    table.key.map((column) => `${quoted(column)} = ?`).join(" and ");
  const keyValues = (table: MovedTable, n: number): Value[] =>
    table.key.map((column) => valueOf(table.name, column, n));

  return {
    tables: inOrder(described, parents),
    insert(table, n) {
      if (single.has(table.name) && n > 0) return;
      const places = table.columns.map(() => "?").join(", ");
      const values = table.columns.map((column) => valueOf(table.name, column, n));
      db.prepare(
        `insert into ${quoted(table.name)} (${table.columns.map(quoted).join(", ")}) values (${places})`,
      ).run(...values);
    },
    update(table, n) {
      const set = updateOf(table, parents, types, texts.get(table.name) ?? "");
      const done = db
        .prepare(`update ${quoted(table.name)} set ${set} where ${whereKey(table)}`)
        .run(...keyValues(table, n));
      if (done.changes !== 1) throw new Error(`there is no row ${n} in ${table.name}`);
    },
    remove(table, n) {
      if (single.has(table.name)) return;
      if (table.name === "audit_entries")
        db.exec("update audit_chain set pruned_sequence = pruned_sequence + 1000000");
      if (table.name === "audit_entries") {
        db.prepare("update audit_entries set sequence = id, hash = 'h' where id = ?").run(
          ...keyValues(table, n),
        );
      }
      const done = db
        .prepare(`delete from ${quoted(table.name)} where ${whereKey(table)}`)
        .run(...keyValues(table, n));
      if (done.changes !== 1) throw new Error(`there is no row ${n} in ${table.name}`);
    },
  };
}

function updateOf(
  table: MovedTable,
  parents: ReadonlyMap<string, unknown>,
  types: ReadonlyMap<string, string>,
  text: string,
): string {
  if (table.name === "audit_entries") return "sequence = id, hash = 'sealed'";
  const isFree = (column: string): boolean =>
    !parents.has(`${table.name}.${column}`) &&
    particular[`${table.name}.${column}`] === undefined &&
    !new RegExp(`${column} in \\(`).test(text);
  const column =
    table.columns.find((each) => isFree(each) && !table.key.includes(each)) ?? table.key.find(isFree);
  if (column === undefined) throw new Error(`nothing of ${table.name} can be changed`);
  const type = types.get(`${table.name}.${column}`);
  if (type === "integer") return `${quoted(column)} = ${quoted(column)} + 5000`;
  return type === "blob"
    ? `${quoted(column)} = x'00ff5c'`
    : `${quoted(column)} = ${quoted(column)} || ' changed'`;
}

/** Parents first. */
function inOrder(
  tables: readonly MovedTable[],
  parents: ReadonlyMap<string, { readonly table: string }>,
): readonly MovedTable[] {
  const done: MovedTable[] = [];
  const visit = (table: MovedTable): void => {
    if (done.includes(table)) return;
    for (const [place, parent] of parents) {
      if (!place.startsWith(`${table.name}.`) || particular[place] === null || parent.table === table.name)
        continue;
      const found = tables.find(({ name }) => name === parent.table);
      if (found !== undefined) visit(found);
    }
    done.push(table);
  };
  for (const table of tables) visit(table);
  return done;
}
