import { describe, expect, test } from "vitest";
import {
  ACL_BYTES_MAX,
  decodeAclResult,
  encodeSetAcl,
  OPEN_ACL,
  Perms,
  READ_ACL,
  ZnodeOp,
  type AclEntry,
} from "../src/index.js";
import { decodeAcl, encodeAcl } from "../src/acl.js";
import { schemeOf } from "../src/acl-schemes.js";
import { Asking, SUPER } from "./asking.js";
import { bytes } from "./harness.js";

const ALICE = { scheme: "digest", id: "alice:hash" };
const BOB = { scheme: "digest", id: "bob:hash" };
const allow = (perms: number, who: { scheme: string; id: string }): AclEntry => ({ perms, ...who });
const WORLD = { scheme: "world", id: "anyone" };

/** /p with this ACL, made by nobody in particular. */
function guarded(...acl: AclEntry[]): Asking {
  const asking = new Asking();
  asking.create("/p", { acl });
  return asking;
}

const NO_AUTH = "ERR_ZNODE_NO_AUTH";

describe("who may do what", () => {
  test("create and delete are up to the parent's ACL, the rest to the node's own", () => {
    const asking = guarded(allow(Perms.create, ALICE), allow(Perms.delete, BOB));
    expect(asking.create("/p/c")).toBe(NO_AUTH);
    expect(asking.as(null, BOB).create("/p/c")).toBe(NO_AUTH);
    expect(asking.as(null, ALICE).made("/p/c")).toBe("/p/c");
    expect(asking.remove("/p/c")).toBe(NO_AUTH);
    expect(asking.set("/p/c")).toBeInstanceOf(Uint8Array);
    expect(asking.set("/p")).toBe(NO_AUTH);
    expect(asking.as(null, BOB).remove("/p/c")).toHaveLength(0);
    // The parent of /p is open.
    expect(asking.as(null).remove("/p")).toHaveLength(0);
  });

  test("all reads want R, getAcl R or A, setAcl A, a check R", () => {
    const asking = guarded(allow(Perms.admin, ALICE), allow(Perms.read, BOB));
    const { children, countAllChildren, exists, get, getAcl } = ZnodeOp;
    for (const op of [children, countAllChildren, exists, get, getAcl]) {
      expect(asking.as(null).read(op, "/p")).toBe(NO_AUTH);
      expect(asking.as(null, BOB).read(op, "/p")).toBeInstanceOf(Uint8Array);
      const isAdmins = op === getAcl;
      expect(asking.as(null, ALICE).read(op, "/p") === NO_AUTH).toBe(!isAdmins);
    }
    expect(asking.multi({ kind: "check", path: "/p" })).toBe(NO_AUTH);
    expect(asking.as(null, BOB).setAcl("/p", OPEN_ACL)).toBe(NO_AUTH);
    expect(asking.as(null, ALICE).setAcl("/p", OPEN_ACL, 1)).toBe("ERR_ZNODE_BAD_VERSION");
    expect(asking.setAcl("/p", OPEN_ACL, 0)).toBeInstanceOf(Uint8Array);
    expect(asking.stat("/p")).toMatchObject({ aversion: 1, version: 0 });
    expect(asking.as(null).set("/p")).toBeInstanceOf(Uint8Array);
    expect(asking.setAcl("/none", OPEN_ACL)).toBe("ERR_ZNODE_NO_NODE");
  });

  test("super may do everything", () => {
    const asking = guarded(allow(0, ALICE)).as(null, SUPER);
    expect(asking.made("/p/c")).toBe("/p/c");
    expect(asking.set("/zookeeper/config", "x")).toBeInstanceOf(Uint8Array);
    expect(asking.remove("/p/c")).toHaveLength(0);
  });

  test("whoever may not administer the node sees no hashes", () => {
    const acl = [allow(31, ALICE), allow(Perms.read, WORLD)];
    const asking = guarded(...acl);
    const seen = (): unknown => {
      const answer = asking.read(ZnodeOp.getAcl, "/p");
      return typeof answer === "string" ? answer : decodeAclResult(answer).acl;
    };
    const masked = [allow(31, { scheme: "digest", id: "alice:x" }), allow(Perms.read, WORLD)];
    expect(seen()).toEqual(masked);
    asking.as(null, ALICE);
    expect(seen()).toEqual(acl);
  });

  test("the configuration is for all to read, and for nobody else to write", () => {
    const asking = new Asking();
    const acl = asking.read(ZnodeOp.getAcl, "/zookeeper/config");
    if (typeof acl === "string") throw new Error(acl);
    expect(decodeAclResult(acl).acl).toEqual(READ_ACL);
    expect(asking.set("/zookeeper/config")).toBe(NO_AUTH);
    expect(asking.create("/zookeeper/config/x")).toBe(NO_AUTH);
    expect(asking.setAcl("/zookeeper/config", OPEN_ACL)).toBe(NO_AUTH);
    // Once opened it stays so, also in a checkpoint.
    expect(asking.as(null, SUPER).setAcl("/zookeeper/config", OPEN_ACL)).toHaveLength(68);
    const copy = new Asking();
    copy.machine.restore(asking.machine.beginChanges({ full: true }).next(2 ** 20));
    expect(copy.set("/zookeeper/config")).toBeInstanceOf(Uint8Array);
  });
});

describe("an ACL that is given", () => {
  test("must say something, in schemes that there are and ids that they know", () => {
    const bad: readonly AclEntry[][] = [
      [],
      [allow(31, { scheme: "super", id: "" })],
      [allow(31, { scheme: "world", id: "someone" })],
      [allow(31, { scheme: "digest", id: "alice" })],
      [allow(31, { scheme: "ip", id: "10.0.0.1/33" })],
      [allow(31, WORLD), allow(31, { scheme: "auth", id: "" })],
    ];
    const asking = new Asking();
    asking.create("/p");
    for (const acl of bad) {
      expect(asking.create("/q", { acl }), JSON.stringify(acl)).toBe("ERR_ZNODE_INVALID_ACL");
      expect(asking.setAcl("/p", acl)).toBe("ERR_ZNODE_INVALID_ACL");
    }
    // An address proves nothing about who somebody is.
    asking.as(null, { scheme: "ip", id: "10.0.0.1" });
    expect(asking.create("/q", { acl: [allow(31, { scheme: "auth", id: "" })] })).toBe(
      "ERR_ZNODE_INVALID_ACL",
    );
  });

  test("stands without repetitions, and with the caller's identities for auth", () => {
    const asking = new Asking().as(null, ALICE, { scheme: "ip", id: "10.0.0.1" }, BOB);
    const auth = allow(3, { scheme: "auth", id: "ignored" });
    asking.create("/p", { acl: [allow(1, WORLD), auth, allow(1, WORLD)] });
    const answer = asking.read(ZnodeOp.getAcl, "/p");
    if (typeof answer === "string") throw new Error(answer);
    expect(decodeAclResult(answer).acl).toEqual([
      allow(1, WORLD),
      allow(3, { scheme: "digest", id: "alice:x" }),
      allow(3, { scheme: "digest", id: "bob:x" }),
    ]);
  });

  test("has a bound, and so has what auth makes of it", () => {
    const asking = new Asking();
    const long = allow(1, { scheme: "digest", id: `u:${"x".repeat(4000)}` });
    const many = Array.from({ length: 17 }, (_, i) => ({ ...long, perms: i + 1 }));
    expect(() => encodeSetAcl({ acl: many })).toThrow(
      expect.objectContaining({ code: "ERR_ARG_TOO_LARGE" }),
    );
    asking.as(null, { scheme: "digest", id: long.id });
    const auths = many.map(({ perms }) => allow(perms, { scheme: "auth", id: "" }));
    expect(asking.create("/p", { acl: auths })).toBe("ERR_ARG_TOO_LARGE");
    expect(encodeAcl(many.slice(0, 16)).length).toBeLessThan(ACL_BYTES_MAX);
  });

  test("is refused when it cannot be read, at every length", () => {
    const whole = encodeAcl([allow(31, ALICE), allow(1, WORLD)]);
    const one = encodeAcl([allow(31, ALICE)]).length;
    for (let length = 1; length < whole.length; length += 1) {
      expect(decodeAcl(whole.subarray(0, length)) === null).toBe(length !== one);
    }
    const broken = whole.slice();
    broken[5] = 0xff;
    expect(decodeAcl(broken)).toBeNull();
    const asking = new Asking();
    asking.create("/p");
    const content = encodeSetAcl({ acl: [allow(31, ALICE)] });
    expect(asking.run(ZnodeOp.setAcl, "/p", content.subarray(0, -1))).toBe(
      "ERR_ZNODE_BAD_ARGUMENTS",
    );
    content[10] = 0xff;
    expect(asking.run(ZnodeOp.setAcl, "/p", content)).toBe("ERR_ZNODE_BAD_ARGUMENTS");
    expect(asking.run(ZnodeOp.setAcl, "/p", bytes("x"))).toBe("ERR_ZNODE_BAD_ARGUMENTS");
  });
});

describe("schemes", () => {
  const matches = (scheme: string, identity: string, id: string): boolean =>
    schemeOf(scheme)?.matches(identity, id) ?? false;
  const isValid = (scheme: string, id: string): boolean => schemeOf(scheme)?.isValid(id) ?? false;

  test("ip: addresses and ranges of both kinds", () => {
    expect(matches("ip", "10.1.2.3", "10.1.2.3")).toBe(true);
    expect(matches("ip", "10.1.2.3", "10.0.0.0/8")).toBe(true);
    expect(matches("ip", "10.1.2.3", "10.1.2.0/31")).toBe(false);
    expect(matches("ip", "10.1.2.1", "10.1.2.0/31")).toBe(true);
    expect(matches("ip", "10.1.2.3", "0.0.0.0/0")).toBe(true);
    expect(matches("ip", "::1", "0:0:0:0:0:0:0:1")).toBe(true);
    expect(matches("ip", "2001:db8::5", "2001:DB8::/33")).toBe(true);
    expect(matches("ip", "2001:db8:8000::5", "2001:db8::/33")).toBe(false);
    expect(matches("ip", "10.1.2.3", "::/0")).toBe(false);
    const bad = ["", "10", "1.2.3", "1.2.3.256", "1.2.3.4/", "1.2.3.4/a", "1.2.3.4/-1", "1.2.3.x"];
    const bad6 = [
      "1::2::3",
      ":1",
      "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7",
      "12345::",
      "::g",
      "::/129",
    ];
    for (const id of [...bad, ...bad6]) expect(isValid("ip", id), id).toBe(false);
    for (const id of [
      "1.2.3.4",
      "1.2.3.4/0",
      "::",
      "1::",
      "::1.2/0".slice(0, 3),
      "1:2:3:4:5:6:7:8/128",
    ])
      expect(isValid("ip", id), id).toBe(true);
  });

  test("digest, x509 and sasl: who is named is meant", () => {
    expect(matches("digest", "a:b", "a:b")).toBe(true);
    expect(matches("digest", "a:b", "a:c")).toBe(false);
    for (const id of ["a:b", ":b", "a:b:"]) expect(isValid("digest", id), id).toBe(true);
    for (const id of ["", "a", "a:", "a:b:c"]) expect(isValid("digest", id), id).toBe(false);
    const names = ["CN=a", "", 'cn = a , O="x, y"', "1.2.3=a+CN=b;OU=c\\,d", "OID.1.2=x"];
    for (const id of names) expect(isValid("x509", id), id).toBe(true);
    for (const id of ["a", "CN", "XX=a", "CN=a,", "CN=a\\", 'CN="a', "CN=a,,O=b"]) {
      expect(isValid("x509", id), id).toBe(false);
    }
    for (const id of ["bob", "zk/host@REALM", "bob@REALM"]) expect(isValid("sasl", id)).toBe(true);
    for (const id of ["a/b/c@R", "a@b@c"]) expect(isValid("sasl", id), id).toBe(false);
    expect(matches("sasl", "bob", "bob")).toBe(true);
    expect(matches("sasl", "bob", "alice")).toBe(false);
    expect(matches("sasl", "bob", "super")).toBe(false);
    expect(matches("sasl", "super", "bob")).toBe(true);
    expect(schemeOf("world")).toBeUndefined();
  });
});
