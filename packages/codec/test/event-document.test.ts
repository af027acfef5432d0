import { describe, expect, it } from "vitest";
import { makeTxnid } from "@quorate/protocol";
import { eventDocument, printableData } from "../src/index.js";

describe("an event in JSON", () => {
  it("has its data as text, or in base64 where they are none", () => {
    const data = new TextEncoder().encode("grüße\u0000");
    const event = eventDocument({
      txnid: makeTxnid(7, 12),
      operations: [
        { kind: "create", path: "/a", data, timeMs: 5 },
        { kind: "set", path: "/a", data: new Uint8Array([0xff, 0]), timeMs: 6, version: 2 },
        { kind: "delete", path: "/a" },
        { kind: "broadcast", path: "topic", data: new Uint8Array(0) },
      ],
    });
    expect(event).toEqual({
      txnid: "e7:12",
      operations: [
        { kind: "create", path: "/a", data: "grüße\u0000", encoding: "utf8", timeMs: 5 },
        { kind: "set", path: "/a", data: "/wA=", encoding: "base64", timeMs: 6, version: 2 },
        { kind: "delete", path: "/a" },
        { kind: "broadcast", path: "topic", data: "", encoding: "utf8" },
      ],
    });
  });

  it("keeps every byte of much data", () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) & 0xff);
    const { data, encoding } = printableData(bytes);
    expect(encoding).toBe("base64");
    expect(Buffer.from(data, "base64").equals(bytes)).toBe(true);
    // A mark at the beginning is part of the text.
    expect(printableData(new Uint8Array([0xef, 0xbb, 0xbf])).data).toBe("\ufeff");
  });
});
