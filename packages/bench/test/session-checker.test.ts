import { describe, expect, it } from "vitest";
import { SessionChecker, type Answered, type Asked } from "../src/sessions/session-checker.js";

function asked(xid: number, kind: Asked["kind"], watch = false): Asked {
  return { xid, kind, path: "/n", watch };
}

function answered(xid: number, zxid: number, mzxid: number | null, err = 0): Answered {
  return { xid, zxid: BigInt(zxid), err, mzxid: mzxid === null ? null : BigInt(mzxid) };
}

function checked(use: (checker: SessionChecker) => void): readonly string[] {
  const checker = new SessionChecker("s");
  use(checker);
  return checker.problems;
}

describe("the checker of a session", () => {
  it("has nothing to say of a session that goes well, also over two connections", () => {
    const problems = checked((checker) => {
      checker.asked(asked(1, "get", true));
      checker.asked(asked(2, "set"));
      checker.asked(asked(3, "get"));
      checker.answered(answered(1, 5, 4));
      checker.told({ path: "/n", zxid: 6n });
      checker.answered(answered(2, 6, 6));
      checker.answered(answered(3, 7, 6));
      checker.asked(asked(4, "get", true));
      expect(checker.disconnected()).toHaveLength(1);
      checker.asked(asked(1, "get"));
      checker.answered(answered(1, 9, 9));
    });
    expect(problems).toEqual([]);
  });

  it("finds replies in another order", () => {
    const problems = checked((checker) => {
      checker.asked(asked(1, "get"));
      checker.asked(asked(2, "get"));
      checker.answered(answered(2, 5, 4));
    });
    expect(problems).toEqual(["s: reply 2 comes where 1 is due"]);
  });

  it("finds a zxid that goes back, also behind a new connection", () => {
    const problems = checked((checker) => {
      checker.asked(asked(1, "get"));
      checker.answered(answered(1, 5, 4));
      checker.disconnected();
      checker.asked(asked(1, "get"));
      checker.answered(answered(1, 4, 4));
    });
    expect(problems).toEqual(["s: the zxid goes back from 5 to 4"]);
  });

  it("finds a read that is as new as the own write behind it", () => {
    const readAt = (zxid: number) =>
      checked((checker) => {
        checker.asked(asked(1, "set"));
        checker.asked(asked(2, "get"));
        checker.asked(asked(3, "set"));
        checker.answered(answered(1, 5, null, -103));
        checker.answered(answered(2, zxid, 4));
        checker.answered(answered(3, 6, 6));
      });
    expect(readAt(5)).toEqual([]);
    expect(readAt(6)).toEqual(["s: a read at 6 came in front of the own set at 6"]);
  });

  it("finds a read that does not show the own write before it", () => {
    const problems = checked((checker) => {
      checker.asked(asked(1, "set"));
      checker.asked(asked(2, "get"));
      checker.answered(answered(1, 6, 6));
      checker.answered(answered(2, 6, 4));
    });
    expect(problems).toEqual(["s: get of /n goes back from 6 to 4"]);
  });

  it("finds a node of its own that is gone", () => {
    const problems = checked((checker) => {
      checker.asked(asked(1, "create"));
      checker.asked(asked(2, "exists"));
      checker.answered(answered(1, 6, null));
      checker.answered(answered(2, 7, null, -101));
    });
    expect(problems).toEqual(["s: /n was seen and is gone"]);
  });

  it("finds a reply that shows more than its zxid", () => {
    const problems = checked((checker) => {
      checker.asked(asked(1, "get"));
      checker.answered(answered(1, 5, 6));
    });
    expect(problems).toEqual(["s: /n at 6 in a reply of 5"]);
  });

  it("finds a watch that fires twice, and one that nobody set", () => {
    const problems = checked((checker) => {
      checker.asked(asked(1, "get", true));
      checker.answered(answered(1, 5, 4));
      checker.told({ path: "/n", zxid: -1n });
      checker.told({ path: "/n", zxid: -1n });
      checker.asked(asked(2, "get"));
      checker.answered(answered(2, 6, 6));
      checker.told({ path: "/n", zxid: -1n });
    });
    expect(problems).toHaveLength(2);
    expect(problems[0]).toContain("no watch is set");
  });

  it("finds a change that shows before its event, with and without zxids in events", () => {
    const withoutZxid = checked((checker) => {
      checker.asked(asked(1, "get", true));
      checker.asked(asked(2, "get"));
      checker.answered(answered(1, 5, 4));
      checker.answered(answered(2, 6, 6));
    });
    expect(withoutZxid).toEqual(["s: /n shows 6 before the event of its watch, set at 4"]);
    const withZxid = checked((checker) => {
      checker.asked(asked(1, "get", true));
      checker.asked({ ...asked(2, "get"), path: "/other" });
      checker.answered(answered(1, 5, 4));
      checker.answered(answered(2, 6, 3));
      checker.told({ path: "/n", zxid: 6n });
    });
    expect(withZxid).toEqual(["s: the event 6 of /n comes after a reply at 6"]);
  });

  it("expects no event of a watch that was on another connection", () => {
    const problems = checked((checker) => {
      checker.asked(asked(1, "get", true));
      checker.answered(answered(1, 5, 4));
      checker.disconnected();
      checker.told({ path: "/n", zxid: -1n });
    });
    expect(problems).toHaveLength(1);
  });
});
