import { describe, expect, test } from "vitest";
import {
  CONTAINER_OWNER,
  CreateMode,
  encodeDeleteExpired,
  TTL_MS_MAX,
  ttlOwner,
  ZnodeMachine,
  ZnodeOp,
} from "../src/index.js";
import { sequenceSuffix } from "../src/create-mode.js";
import { Asking, ONE } from "./asking.js";
import { bytes, T0_MS } from "./harness.js";

const { container, ephemeral, ephemeralSequential, persistentSequential, ttl, ttlSequential } =
  CreateMode;

/** A machine whose node /p says so many creates. */
function withCreates(creates: number): Asking {
  const value = new Uint8Array(64);
  const view = new DataView(value.buffer);
  view.setUint8(0, 1);
  view.setInt32(48, creates);
  const machine = new ZnodeMachine();
  machine.restore([{ key: bytes("/p"), value }]);
  return new Asking(machine);
}

describe("sequential nodes", () => {
  test("are numbered by the creates under their parent, whatever was deleted", () => {
    const asking = new Asking();
    asking.create("/p");
    expect(asking.made("/p/n-", { mode: persistentSequential })).toBe("/p/n-0000000000");
    asking.remove("/p/n-0000000000");
    asking.create("/p/other");
    expect(asking.made("/p/n-", { mode: persistentSequential })).toBe("/p/n-0000000002");
    expect(asking.made("/p/", { mode: persistentSequential })).toBe("/p/0000000003");
    expect(asking.made("/", { mode: persistentSequential })).toBe("/0000000001");
  });

  test("are numbered with the sign once the counter wraps, as Java writes it", () => {
    const asking = withCreates(2 ** 31 - 1);
    expect(asking.made("/p/n", { mode: persistentSequential })).toBe("/p/n2147483647");
    expect(asking.made("/p/n", { mode: persistentSequential })).toBe("/p/n-2147483648");
    expect(asking.made("/p/n", { mode: persistentSequential })).toBe("/p/n-2147483647");
    expect([-5, -123456789, -1234567890, 0, 7].map(sequenceSuffix)).toEqual([
      "-000000005",
      "-123456789",
      "-1234567890",
      "0000000000",
      "0000000007",
    ]);
  });

  test("are refused when the name they get is taken, or too long", () => {
    const asking = new Asking();
    asking.create("/p");
    asking.create("/p/n0000000001");
    expect(asking.made("/p/n", { mode: persistentSequential })).toBe("ERR_ZNODE_NODE_EXISTS");
    const long = `/${"n".repeat(65_530)}`;
    expect(asking.made(long, { mode: persistentSequential })).toBe("ERR_ARG_TOO_LARGE");
  });
});

describe("ephemeral nodes", () => {
  test("belong to the session, which must be there, and have no children", () => {
    const asking = new Asking();
    expect(asking.create("/e", { mode: ephemeral })).toBe("ERR_ZNODE_BAD_ARGUMENTS");
    expect(asking.as(ONE).create("/e", { mode: ephemeral })).toBe("ERR_SESSION_EXPIRED");
    asking.open(ONE);
    expect(asking.made("/e", { mode: ephemeral })).toBe("/e");
    expect(asking.made("/e", { mode: ephemeralSequential })).toBe("/e0000000001");
    expect(asking.stat("/e").ephemeralOwner).toBe(ONE);
    expect(asking.as(null).create("/e/c")).toBe("ERR_ZNODE_NO_CHILDREN_FOR_EPHEMERALS");
    expect(asking.machine.ephemeralsOf(ONE)).toEqual(["/e", "/e0000000001"]);
  });

  test("are only so many that one transaction can name them all", () => {
    const asking = new Asking();
    asking.open(ONE);
    asking.as(ONE);
    const long = "n".repeat(60_000);
    // Each takes 60,004 bytes with its length; 18 of them fit.
    for (let i = 0; i < 18; i += 1) {
      expect(
        asking.made(`/${String.fromCharCode(97 + i)}${long}`, { mode: ephemeral }),
      ).not.toMatch(/^ERR/);
    }
    expect(asking.create(`/z${long}`, { mode: ephemeral })).toBe("ERR_ZNODE_TOO_MANY_EPHEMERALS");
    expect(asking.made("/z", { mode: ephemeral })).toBe("/z");
    asking.remove(`/a${long}`);
    expect(asking.create(`/z${long}`, { mode: ephemeral })).toBeInstanceOf(Uint8Array);
    expect(asking.close(ONE)).toHaveLength(0);
    expect(asking.machine.nodeCount).toBe(4);
  });
});

describe("containers and times to live", () => {
  test("are told by their owner, and a time to live has bounds", () => {
    const asking = new Asking();
    asking.create("/c", { mode: container });
    asking.create("/t", { mode: ttl, ttlMs: TTL_MS_MAX });
    expect(asking.stat("/c").ephemeralOwner).toBe(CONTAINER_OWNER);
    expect(asking.stat("/t").ephemeralOwner).toBe(ttlOwner(TTL_MS_MAX));
    const bad = "ERR_ZNODE_BAD_ARGUMENTS";
    expect(asking.create("/x", { mode: ttl })).toBe(bad);
    expect(asking.create("/x", { mode: ttlSequential, ttlMs: TTL_MS_MAX + 1 })).toBe(bad);
    expect(asking.create("/x", { mode: container, ttlMs: 5 })).toBe(bad);
    expect(asking.create("/x", { mode: 7 as CreateMode })).toBe(bad);
  });

  test("expire when their time is over or their last child has gone", () => {
    const asking = new Asking(new ZnodeMachine({ unusedContainerMs: 50 }));
    const expire = (path: string): Uint8Array | string =>
      asking.run(ZnodeOp.deleteExpired, path, encodeDeleteExpired());
    asking.create("/c", { mode: container });
    asking.create("/t", { mode: ttl, ttlMs: 5 });
    asking.create("/p");
    expect(asking.machine.expiredNodes(T0_MS + 6, 10)).toEqual([]);
    // Made at T0 + 1, hence due when more than 5 ms have passed since.
    expect(asking.machine.expiredNodes(T0_MS + 7, 10)).toEqual(["/t"]);
    expect(expire("/t")).toBe("ERR_ZNODE_BAD_VERSION");
    expect(expire("/p")).toBe("ERR_ZNODE_BAD_VERSION");
    expect(expire("/none")).toBe("ERR_ZNODE_NO_NODE");
    expect(expire("/zookeeper")).toBe("ERR_ZNODE_BAD_ARGUMENTS");
    asking.create("/c/a");
    expect(expire("/c")).toBe("ERR_ZNODE_NOT_EMPTY");
    asking.remove("/c/a");
    asking.set("/t");
    expect(asking.machine.expiredNodes(T0_MS + 100, 1)).toEqual(["/c"]);
    expect(expire("/c")).toHaveLength(0);
    asking.create("/unused", { mode: container });
    expect(asking.machine.expiredNodes(T0_MS + 40, 10)).toEqual(["/t"]);
    expect(asking.machine.expiredNodes(T0_MS + 100, 10)).toEqual(["/t", "/unused"]);
  });
});
