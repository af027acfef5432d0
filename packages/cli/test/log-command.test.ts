import { makeTxnid, OpCode } from "@quorate/protocol";
import { expect, it } from "vitest";
import { printableEntry } from "../src/log-command.js";

it("log dump shows contents, but not those that hold a session's password", () => {
  const entry = {
    txnid: makeTxnid(1, 2),
    fid: "1",
    reqId: 3n,
    key: "",
    content: new Uint8Array(3),
  };
  expect(printableEntry({ ...entry, op: OpCode.broadcast })).toMatchObject({ content: "AAAA" });
  expect(printableEntry({ ...entry, op: OpCode.createSession })).toMatchObject({ content: null });
});
