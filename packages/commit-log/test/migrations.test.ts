import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import Database from "better-sqlite3";
import { openLogFiles } from "../src/log-recovery.js";
import { migrate, schemaVersionOf, type StoreSchema } from "../src/migrations.js";
import { SCHEMA } from "../src/schema.js";
import { openCommitLog, verifyCommitLog } from "../src/index.js";
import { silentLogger, silentMeter } from "@quorate/protocol";
import { testHash } from "@quorate/testkit";
import { reopen } from "./crash/reopen.js";
import { canShim, compileShim, linesOf, makeTempDirectory, runUnderShim } from "./crash/shim.js";
import { contentOf, fillStore, type StoreContent } from "./schema/store-content.js";
import { LATER_SCHEMA } from "./schema/later-schema.js";

const RECORDED = fileURLToPath(new URL("../testdata", import.meta.url));
const NOW = `schema-${String(SCHEMA.log.length)}.${String(SCHEMA.state.length)}`;

function temporary(): string {
  const directory = makeTempDirectory();
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

function copyOf(recorded: string): string {
  const directory = temporary();
  cpSync(join(RECORDED, recorded), directory, { recursive: true });
  return directory;
}

function versionsIn(directory: string): [log: number, state: number] {
  const versionOf = (file: string): number => {
    const db = new Database(join(directory, file));
    try {
      return schemaVersionOf(db);
    } finally {
      db.close();
    }
  };
  return [versionOf("log.db"), versionOf("state.db")];
}

function bytesIn(directory: string): Map<string, string> {
  const names = readdirSync(directory).filter((name) => !name.endsWith("-shm"));
  const files = names.map((name) => [name, readFileSync(join(directory, name), "hex")] as const);
  // An empty write-ahead log says nothing.
  return new Map(files.filter(([, bytes]) => bytes !== ""));
}

describe("a store of an earlier schema", () => {
  test("there is a recorded store of every schema", () => {
    expect(readdirSync(RECORDED)).toContain("schema-1.1");
    expect(readdirSync(RECORDED), "test/schema/record.ts records one").toContain(NOW);
  });

  test.each(readdirSync(RECORDED))("%s is opened and read by this release", async (recorded) => {
    const directory = copyOf(recorded);
    const text = readFileSync(join(directory, "content.json"), "utf8");
    expect(await contentOf(directory)).toEqual(JSON.parse(text) as StoreContent);
    expect(versionsIn(directory)).toEqual([SCHEMA.log.length, SCHEMA.state.length]);
    expect((await verifyCommitLog(directory)).problems).toEqual([]);
  });

  test("is brought up to date step by step, and keeps what it holds", () => {
    const directory = copyOf("schema-1.1");
    const before = reopen(directory);
    const after = reopen(directory, LATER_SCHEMA);
    expect(after).toEqual(before);
    expect(versionsIn(directory)).toEqual([3, 4]);
    expect(stepsDone(directory, "log.db")).toEqual(["2 over 6 rows", "3 over 6 rows"]);
    expect(stepsDone(directory, "state.db")).toEqual(["2 over 0 rows", "3 over 0 rows"]);
    expect(reopen(directory, LATER_SCHEMA)).toEqual(before);
  });

  test("a new directory begins with the newest schema", () => {
    const directory = temporary();
    reopen(directory, LATER_SCHEMA);
    expect(versionsIn(directory)).toEqual([3, 4]);
  });

  test("a step that fails leaves the version before it, and no damage", () => {
    const directory = copyOf("schema-1.1");
    const before = reopen(directory);
    const broken: StoreSchema = {
      ...LATER_SCHEMA,
      log: [
        ...LATER_SCHEMA.log.slice(0, 2),
        (db) => db.exec("CREATE TABLE half (a); INSERT INTO nowhere VALUES (1)"),
      ],
    };
    for (let i = 0; i < 2; i += 1) {
      expect(() => reopen(directory, broken)).toThrow(
        expect.objectContaining({ code: "ERR_STORE_SCHEMA" }),
      );
    }
    expect(versionsIn(directory)).toEqual([2, 2]);
    expect(existsSync(join(directory, "log.db.damaged"))).toBe(false);
    expect(reopen(directory, LATER_SCHEMA)).toEqual(before);
    expect(versionsIn(directory)).toEqual([3, 4]);
  });

  test("a damaged file is put aside before any step is tried on it", () => {
    const directory = copyOf("schema-1.1");
    const path = join(directory, "log.db");
    const { size } = statSync(path);
    truncateSync(path, size - 4096);
    const found = reopen(directory, LATER_SCHEMA);
    expect(found.damage).toMatch(/corrupt/);
    expect(existsSync(join(directory, "log.db.damaged"))).toBe(true);
  });
});

describe("a store of a later schema (F22)", () => {
  test.each(["log.db", "state.db"] as const)("%s of one is refused untouched", async (file) => {
    const directory = temporary();
    await fillStore(directory);
    const db = new Database(join(directory, file));
    // Left in the write-ahead log, which an open would write back first of all.
    db.pragma("wal_autocheckpoint = 0");
    const known = file === "log.db" ? SCHEMA.log : SCHEMA.state;
    migrate(db, [...known, (later) => later.exec("CREATE TABLE later (a)")]);
    const copy = temporary();
    cpSync(directory, copy, { recursive: true });
    db.close();
    const before = bytesIn(copy);
    expect([...before.keys()]).toContain(`${file}-wal`);
    const open = openCommitLog({
      directory: copy,
      chainHash: testHash,
      logger: silentLogger,
      meter: silentMeter,
    });
    await expect(open).rejects.toMatchObject({ code: "ERR_STORE_SCHEMA" });
    const { length } = known;
    const found = `has schema ${String(length + 1)}, this release knows up to ${String(length)}`;
    await expect(open).rejects.toThrow(found);
    expect(bytesIn(copy)).toEqual(before);
    expect(() => openLogFiles(copy, 2000)).toThrow(`schema ${String(length + 1)}`);
  });
});

describe.skipIf(!canShim)("a kill between the steps", () => {
  let library = "";
  const place = makeTempDirectory();

  beforeAll(() => {
    library = compileShim(place);
  });

  afterAll(() => rmSync(place, { recursive: true }));

  test("leaves a version that the next open goes on from, and the release before refuses", async () => {
    const base = temporary();
    mkdirSync(join(base, "images"));
    cpSync(join(RECORDED, "schema-1.1"), join(base, "store"), { recursive: true });
    const expected = reopen(copyOf("schema-1.1"));
    const run = runUnderShim(library, base, { script: "../schema/migrate.ts", withImages: true });
    expect(await run.ended).toBe(0);
    const seen = new Set<string>();
    for (const line of linesOf(run.journal)) {
      const [kind, number = ""] = line.split(" ");
      if (kind !== "sync") continue;
      const image = join(run.images, number);
      const [forOlder, forLater] = [temporary(), temporary()];
      for (const copy of [forOlder, forLater]) cpSync(image, copy, { recursive: true });
      const before = bytesIn(forOlder);
      const versions = versionsIn(image);
      seen.add(versions.join());
      const [log, state] = versions;
      if (log > SCHEMA.log.length || state > SCHEMA.state.length) {
        expect(() => reopen(forOlder)).toThrow(/this release knows up to/);
        expect(bytesIn(forOlder)).toEqual(before);
      }
      expect(reopen(forLater, LATER_SCHEMA), `image ${number}`).toEqual(expected);
      expect(versionsIn(forLater)).toEqual([3, 4]);
      expect(stepsDone(forLater, "log.db")).toEqual(["2 over 6 rows", "3 over 6 rows"]);
    }
    // Every step was synced by itself, in both databases.
    for (const versions of ["2,1", "3,1", "3,2", "3,3", "3,4"]) expect(seen).toContain(versions);
  });
});

function stepsDone(directory: string, file: string): unknown[] {
  const db = new Database(join(directory, file));
  try {
    return db.prepare("SELECT what FROM steps ORDER BY what").pluck().all();
  } finally {
    db.close();
  }
}
