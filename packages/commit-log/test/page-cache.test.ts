import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, expect, test } from "vitest";
import { boundCache, CACHE_KIB_MAX, configure } from "../src/schema.js";

const directory = mkdtempSync(join(tmpdir(), "quorate-pages-"));
const opened: Database.Database[] = [];
afterEach(() => {
  for (const db of opened.splice(0)) db.close();
  rmSync(directory, { recursive: true, force: true });
});

test("no connection keeps more pages than its bound, nor loses any for it", () => {
  const path = join(directory, "log.db");
  const writer = new Database(path);
  opened.push(writer);
  configure(writer, "FULL");
  const reader = new Database(path, { readonly: true });
  opened.push(reader);
  boundCache(reader);
  for (const db of opened) expect(db.pragma("cache_size", { simple: true })).toBe(-CACHE_KIB_MAX);
  // One transaction of several times the bound spills to the write-ahead log and stays whole.
  writer.exec("CREATE TABLE blocks (id INTEGER PRIMARY KEY, bytes BLOB)");
  const insert = writer.prepare("INSERT INTO blocks (bytes) VALUES (randomblob(65536))");
  const count = (CACHE_KIB_MAX / 64) * 4;
  writer.transaction(() => {
    for (let i = 0; i < count; i += 1) insert.run();
  })();
  const total = reader.prepare("SELECT count(*), sum(length(bytes)) FROM blocks").raw().get();
  expect(total).toEqual([count, count * 65_536]);
});
