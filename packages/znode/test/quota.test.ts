import { describe, expect, test } from "vitest";
import {
  CreateMode,
  decodeGetResult,
  ZnodeMachine,
  ZnodeOp,
  type QuotaExcess,
} from "../src/index.js";
import { Asking, ONE } from "./asking.js";
import { bytes } from "./harness.js";

const QUOTA = "/zookeeper/quota";

/** /a with this quota, and what goes beyond it. */
function limited(limits: string): { asking: Asking; excesses: QuotaExcess[] } {
  const excesses: QuotaExcess[] = [];
  const machine = new ZnodeMachine({ onQuotaExceeded: (excess) => excesses.push(excess) });
  const asking = new Asking(machine);
  asking.create("/a", { data: bytes("12345") });
  asking.create(`${QUOTA}/a`);
  asking.create(`${QUOTA}/a/zookeeper_limits`, { data: bytes(limits) });
  asking.create(`${QUOTA}/a/zookeeper_stats`, { data: bytes("whatever") });
  return { asking, excesses };
}

function text(asking: Asking, path: string): string {
  const answer = asking.read(ZnodeOp.get, path);
  if (typeof answer === "string") return answer;
  return new TextDecoder().decode(decodeGetResult(answer).data);
}

const stats = (asking: Asking, path = "/a"): string =>
  text(asking, `${QUOTA}${path}/zookeeper_stats`);

describe("a quota", () => {
  test("counts what is there when its stats are made, and what changes since", () => {
    const { asking } = limited("count=100,bytes=100");
    expect(stats(asking)).toBe("count=1,bytes=5");
    const { version, mzxid } = asking.stat(`${QUOTA}/a/zookeeper_stats`);
    asking.create("/a/b", { data: bytes("xyz") });
    expect(stats(asking)).toBe("count=2,bytes=8");
    asking.set("/a/b", "x");
    expect(stats(asking)).toBe("count=2,bytes=6");
    asking.create("/ab");
    asking.remove("/a/b");
    expect(stats(asking)).toBe("count=1,bytes=5");
    // As in ZooKeeper, counting is no change of the node.
    expect(asking.stat(`${QUOTA}/a/zookeeper_stats`)).toMatchObject({ version, mzxid });
  });

  test("that is soft is told of and refuses nothing", () => {
    const { asking, excesses } = limited("count=1,bytes=7");
    expect(asking.made("/a/b", { data: bytes("xyz") })).toBe("/a/b");
    const of = { path: "/a", isHard: false };
    expect(excesses).toEqual([
      { ...of, kind: "count", limit: 1, value: 2 },
      { ...of, kind: "bytes", limit: 7, value: 8 },
    ]);
  });

  test("that is enforced refuses creates and sets beyond it", () => {
    const { asking, excesses } = limited("count=-1,bytes=-1=;byteHardLimit=8;countHardLimit=2");
    expect(asking.create("/a/b", { data: bytes("wxyz") })).toBe("ERR_ZNODE_QUOTA_EXCEEDED");
    expect(asking.made("/a/b", { data: bytes("xyz") })).toBe("/a/b");
    expect(asking.create("/a/c")).toBe("ERR_ZNODE_QUOTA_EXCEEDED");
    expect(asking.set("/a", "123456")).toBe("ERR_ZNODE_QUOTA_EXCEEDED");
    expect(asking.set("/a", "1")).toBeInstanceOf(Uint8Array);
    expect(excesses.map(({ kind, isHard }) => [kind, isHard])).toEqual([
      ["bytes", true],
      ["count", true],
      ["bytes", true],
    ]);
  });

  test("counts what is prepared, within a multi and across requests", () => {
    const { asking } = limited("count=-1,bytes=-1=;countHardLimit=2");
    const create = (path: string) => ({ kind: "create", path, data: bytes("") }) as const;
    expect(asking.multi(create("/a/b"), create("/a/c"))).toBe("ERR_ZNODE_QUOTA_EXCEEDED");
    expect(asking.machine.preparedCount).toBe(0);
    const swap = asking.multi(create("/a/b"), { kind: "delete", path: "/a/b" }, create("/a/c"));
    expect(swap).toBeInstanceOf(Uint8Array);
    expect(stats(asking)).toBe("count=2,bytes=5");
  });

  test("is the nearest one's, and ends with its limits", () => {
    const { asking } = limited("count=-1,bytes=-1=;countHardLimit=2");
    asking.create("/a/b");
    asking.create(`${QUOTA}/a/b`);
    asking.create(`${QUOTA}/a/b/zookeeper_limits`, { data: bytes("count=9,bytes=9") });
    asking.create(`${QUOTA}/a/b/zookeeper_stats`);
    expect(asking.made("/a/b/c")).toBe("/a/b/c");
    expect([stats(asking), stats(asking, "/a/b")]).toEqual(["count=2,bytes=5", "count=2,bytes=0"]);
    asking.remove(`${QUOTA}/a/b/zookeeper_limits`);
    expect(asking.create("/a/b/d")).toBe("ERR_ZNODE_QUOTA_EXCEEDED");
    asking.remove(`${QUOTA}/a/zookeeper_limits`);
    expect(asking.made("/a/b/d")).toBe("/a/b/d");
    expect(stats(asking)).toBe("count=2,bytes=5");
  });

  test("is given back what a session leaves", () => {
    const { asking } = limited("count=9,bytes=9");
    asking.open(ONE);
    asking.as(ONE).create("/a/e", { mode: CreateMode.ephemeral, data: bytes("ab") });
    expect(stats(asking)).toBe("count=2,bytes=7");
    asking.close(ONE);
    expect(stats(asking)).toBe("count=1,bytes=5");
  });

  test("counts on behind a checkpoint as before it", () => {
    const { asking } = limited("count=-1,bytes=-1=;countHardLimit=2");
    const copy = new Asking();
    copy.machine.restore(asking.machine.beginChanges({ full: true }).next(2 ** 20));
    copy.create("/a/b");
    expect(stats(copy)).toBe("count=2,bytes=5");
    expect(copy.create("/a/c")).toBe("ERR_ZNODE_QUOTA_EXCEEDED");
  });

  test("on the root counts nothing, nor does data that say nothing", () => {
    const { asking } = limited("nonsense;count=;=3");
    asking.create(`${QUOTA}/zookeeper_limits`, { data: bytes("count=0,bytes=0") });
    asking.set(`${QUOTA}/a/zookeeper_stats`, "\0;what=3");
    expect(asking.made("/a/b")).toBe("/a/b");
    expect(stats(asking)).toBe("count=0,bytes=-1=;what=3");
  });
});
