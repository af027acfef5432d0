import { describe, expect, it } from "vitest";
import { CUSTOM_OP_CODE_MIN, OpCode } from "@quorate/protocol";
import { isLogged, RequestOrder } from "../src/native/request-order.js";

/** Asks as a connection does, notes what is begun, and ends it when told. */
class Asked {
  readonly begun: string[] = [];
  readonly #order = new RequestOrder();
  readonly #ends = new Map<string, () => void>();

  write(name: string, isLogged = true): this {
    this.#order.passWrite((write) => {
      this.begun.push(name);
      this.#ends.set(name, () => this.#order.endWrite(write));
    }, isLogged);
    return this;
  }

  /** Ends within its turn. */
  read(name: string): this {
    this.#order.passRead((ended) => {
      this.begun.push(name);
      ended();
    });
    return this;
  }

  /** Ends when told. */
  slow(name: string, isKnown = true): this {
    this.#order.passRead((ended) => {
      this.begun.push(name);
      this.#ends.set(name, ended);
    }, isKnown);
    return this;
  }

  end(...names: string[]): readonly string[] {
    const before = this.begun.length;
    for (const name of names) this.#ends.get(name)?.();
    return this.begun.slice(before);
  }
}

describe("the order of one connection's reads and writes", () => {
  it("begins writes at once, and reads when the writes before them are answered", () => {
    const asked = new Asked().read("r0").write("w1").read("r1").write("w2").read("r2");
    expect(asked.begun).toEqual(["r0", "w1", "w2"]);
    expect(asked.end("w1")).toEqual(["r1"]);
    expect(asked.end("w2")).toEqual(["r2"]);
  });

  it("holds a read back although a later write is answered first", () => {
    const asked = new Asked().write("w1").write("w2").read("r");
    expect(asked.end("w2")).toEqual([]);
    expect(asked.end("w1")).toEqual(["r"]);
  });

  it("lets a write wait behind a read that takes more than a turn", () => {
    const asked = new Asked().slow("r1").write("w1").read("r2").slow("r3").write("w2").write("w3");
    expect(asked.begun).toEqual(["r1"]);
    expect(asked.end("r1")).toEqual(["w1"]);
    expect(asked.end("w1")).toEqual(["r2", "r3"]);
    expect(asked.end("r3")).toEqual(["w2", "w3"]);
  });

  it("so too when that turns out as the read is begun", () => {
    const asked = new Asked().write("w1").slow("r1", false);
    asked.end("w1");
    asked.write("w2");
    expect(asked.begun).toEqual(["w1", "r1"]);
    expect(asked.end("r1")).toEqual(["w2"]);
  });

  it("lets a write wait behind a read that waits for what is not logged", () => {
    const asked = new Asked().write("custom", false).write("w1").read("r1").write("w2");
    expect(asked.begun).toEqual(["custom", "w1"]);
    asked.end("w1");
    expect(asked.end("custom")).toEqual(["r1", "w2"]);
    expect(asked.read("r2").begun).not.toContain("r2");
    expect(asked.end("w2")).toEqual(["r2"]);
  });

  it("knows what may be answered at any time", () => {
    expect([OpCode.set, OpCode.raiseEpoch, CUSTOM_OP_CODE_MIN].map(isLogged)).toEqual([
      true,
      false,
      false,
    ]);
  });
});
