import type Database from "better-sqlite3";
import type { Migrations, StoreSchema } from "../../src/migrations.js";
import { SCHEMA } from "../../src/schema.js";

/** Two steps that no release has: they change tables, and note what they found in them. */
function later(table: string): Migrations {
  const note = (db: Database.Database, version: number): void => {
    const count = db.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number;
    const what = `${String(version)} over ${String(count)} rows`;
    db.prepare("INSERT INTO steps VALUES (?)").run(what);
  };
  return [
    (db) => {
      db.exec(`CREATE TABLE steps (what TEXT); ALTER TABLE ${table} ADD COLUMN added INTEGER`);
      note(db, 2);
    },
    (db) => {
      db.exec(`UPDATE ${table} SET added = 1`);
      note(db, 3);
    },
  ];
}

export const LATER_SCHEMA: StoreSchema = {
  log: [...SCHEMA.log, ...later("log")],
  state: [...SCHEMA.state, ...later("blocks")],
};
