/** What processes that share the database tell one another. */
export interface OperationTables {
  leases: LeasesTable;
  counters: CountersTable;
  facts: FactsTable;
}

/** Work that one instance at a time does. */
interface LeasesTable {
  name: string; // primary key
  holder: string;
  expires_at_ms: number;
}

/** Named numbers that only grow; 'access' is bumped by every change of users, tokens, grants or visibility. */
interface CountersTable {
  name: string; // primary key
  value: number;
}

/** What all processes must agree on and nobody sets, such as which key seals secrets. */
interface FactsTable {
  name: string; // primary key
  value: string;
}
