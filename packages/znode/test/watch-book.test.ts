import { describe, expect, it } from "vitest";
import { ItemStream, toTxnid } from "@quorate/protocol";
import { missedChange } from "../src/index.js";
import { WatchBook, type BookedWatch, type NodeEvent, type WatchKind } from "../src/index.js";
import { pathsBelow, SAME_PATHS } from "../src/index.js";

const at = (n: number): ReturnType<typeof toTxnid> => toTxnid(BigInt(n));

class Watcher {
  readonly stream = new ItemStream<NodeEvent>({ itemsMax: 100, onEnd: () => undefined });
  readonly watch: BookedWatch;

  constructor(book: WatchBook, path: string, kind: WatchKind, isArmed = true) {
    this.watch = { path, kind, stream: this.stream, armedAs: null };
    book.add(this.watch);
    if (isArmed) book.armed(this.watch, true);
  }

  async heard(): Promise<string[]> {
    this.stream.end(null);
    const events: string[] = [];
    for await (const { kind, path } of this.stream) events.push(`${kind} ${path}`);
    return events;
  }
}

describe("a book of watches", () => {
  it("hands a change to those whom it concerns", async () => {
    const book = new WatchBook();
    const data = new Watcher(book, "/a", "data");
    const children = new Watcher(book, "/a", "children");
    const persistent = new Watcher(book, "/a", "persistent");
    const recursive = new Watcher(book, "/", "persistentRecursive");
    const early = new Watcher(book, "/a", "data", false);
    book.tell("created", "/a/b", at(1));
    book.tell("childrenChanged", "/a", at(1));
    book.tell("dataChanged", "/a", at(2));
    book.tell("dataChanged", "/a", at(3));
    book.tell("deleted", "/ab", at(4));
    expect(await data.heard()).toEqual(["dataChanged /a"]);
    expect(await children.heard()).toEqual(["childrenChanged /a"]);
    expect(await persistent.heard()).toEqual([
      "childrenChanged /a",
      "dataChanged /a",
      "dataChanged /a",
    ]);
    expect(await recursive.heard()).toEqual([
      "created /a/b",
      "dataChanged /a",
      "dataChanged /a",
      "deleted /ab",
    ]);
    // What was told before the server said that it is armed was for others.
    expect(await early.heard()).toEqual([]);
  });

  it("arms each kind once on the next connection, and one-shot watches that fired not at all", () => {
    const book = new WatchBook();
    const first = new Watcher(book, "/a", "persistent");
    const second = new Watcher(book, "/a", "persistent");
    const unborn = new Watcher(book, "/b", "data", false);
    book.armed(unborn.watch, false);
    new Watcher(book, "/c", "children");
    book.tell("childrenChanged", "/c", at(1));
    expect(book.toArm()).toEqual([
      { kind: "persistent", path: "/a" },
      { kind: "exist", path: "/b" },
    ]);
    expect(book.remove(first.watch)).toBe(false);
    expect(book.remove(second.watch)).toBe(true);
    expect(book.remove(second.watch)).toBe(false);
    expect(book.count).toBe(1);
  });

  it("tells those that stay that something may have been missed", async () => {
    const book = new WatchBook();
    const once = new Watcher(book, "/a", "data");
    const stays = new Watcher(book, "/a", "persistent");
    book.rearmed(at(5), false);
    book.rearmed(at(6), true);
    expect(await stays.heard()).toEqual(["rearmed /a"]);
    expect(await once.heard()).toEqual([]);
  });
});

describe("what a one-shot watch missed", () => {
  const stat = new Uint8Array(80);
  new DataView(stat.buffer).setBigUint64(8, 10n); // mzxid
  new DataView(stat.buffer).setBigUint64(60, 20n); // pzxid

  it.each([
    ["data", stat, 9n, "dataChanged"],
    ["data", stat, 10n, null],
    ["data", null, 10n, "deleted"],
    ["child", stat, 19n, "childrenChanged"],
    ["child", stat, 20n, null],
    ["child", null, 20n, "deleted"],
    ["exist", stat, 99n, "created"],
    ["exist", null, 0n, null],
  ] as const)("%s, by what the node is now", (watch, node, seen, missed) => {
    expect(missedChange(watch, node, seen)).toBe(missed);
  });
});

describe("paths below a root", () => {
  it("go to the server and back", () => {
    const paths = pathsBelow("/app");
    expect(["/", "/a", "key"].map((path) => paths.toServer(path))).toEqual([
      "/app",
      "/app/a",
      "key",
    ]);
    expect(["/app", "/app/a", "/apple", "key"].map((path) => paths.toProgram(path))).toEqual([
      "/",
      "/a",
      "/apple",
      "key",
    ]);
    expect(pathsBelow("/")).toBe(SAME_PATHS);
    expect(() => pathsBelow("/a/")).toThrow(/empty element/);
  });
});
