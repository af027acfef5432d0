import { describe, expect, it } from "vitest";
import { parseProperties } from "../src/config/properties.js";

const pairs = (text: string): string[][] =>
  parseProperties(text).map(({ key, value, line }) => [`${line}`, key, value]);

describe("a properties file", () => {
  it("takes three separators and any space around them", () => {
    expect(pairs("a=1\nb:2\nc 3\n  d \t=  4\ne= :5\nf")).toEqual([
      ["1", "a", "1"],
      ["2", "b", "2"],
      ["3", "c", "3"],
      ["4", "d", "4"],
      ["5", "e", ":5"],
      ["6", "f", ""],
    ]);
  });

  it("takes whole lines as comments, and nothing behind a value", () => {
    expect(pairs("# a\n ! b\n\n  \t\nc=1 # not one\n# d \\\ne=2")).toEqual([
      ["5", "c", "1 # not one"],
      ["7", "e", "2"],
    ]);
  });

  it("continues a line behind an odd number of backslashes", () => {
    expect(pairs("a=1,\\\n   2,\\\n\t# 3\nb=x\\\\\nc=y\\")).toEqual([
      ["1", "a", "1,2,# 3"],
      ["4", "b", "x\\"],
      ["5", "c", "y"],
    ]);
  });

  it("undoes escapes, in keys too", () => {
    expect(pairs("a\\ b\\=c=1\\t2\\u00e9\\q\nC=C:\\\\zk")).toEqual([
      ["1", "a b=c", "1\t2éq"],
      ["2", "C", "C:\\zk"],
    ]);
    expect(() => pairs("ok=1\na=\\u12")).toThrow("line 2, column 1: \\u is not followed by");
  });

  it("ends lines as any system does", () => {
    expect(pairs("a=1\r\nb=2\rc=3\\\r\n4")).toEqual([
      ["1", "a", "1"],
      ["2", "b", "2"],
      ["3", "c", "34"],
    ]);
  });

  it("keeps the value of a server line whole", () => {
    expect(pairs("server.1=[::1]:2888:3888:participant;[::1]:2181")).toEqual([
      ["1", "server.1", "[::1]:2888:3888:participant;[::1]:2181"],
    ]);
  });
});
