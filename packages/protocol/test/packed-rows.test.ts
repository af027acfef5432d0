import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { PackedRows, packRow, RowPacker, type StateRow } from "../src/index.js";

const row: fc.Arbitrary<StateRow> = fc.record({
  key: fc.uint8Array({ maxLength: 20 }),
  value: fc.option(fc.uint8Array({ maxLength: 2000 })),
});

describe("packed rows", () => {
  test("are the rows that were packed, one at a time or packed already", () => {
    fc.assert(
      fc.property(fc.array(row), fc.array(row), (first, second) => {
        const packer = new RowPacker();
        for (const { key, value } of first) packer.add(key, value);
        packer.addPacked(PackedRows.of(second).bytes);
        const all = [...first, ...second];
        const packed = packer.take();
        expect([...packed].map(plain)).toEqual(all.map(plain));
        expect(packed.length).toBe(all.length);
        expect(packed.values).toBe(all.filter(({ value }) => value !== null).length);
        expect(packer.take()).toHaveLength(0);
        for (const { key, value } of all) packer.addPacked(packRow(key, value));
        expect(packer.take().bytes).toEqual(packed.bytes);
      }),
    );
  });

  test("are taken as they are where they are packed already", () => {
    const packed = PackedRows.of([{ key: Uint8Array.of(1), value: null }]);
    expect(PackedRows.of(packed)).toBe(packed);
  });

  test.each([
    ["a header that is cut", [0, 0, 0, 1, 0, 0, 0]],
    ["a key that is cut", [0, 0, 0, 2, 255, 255, 255, 255, 7]],
    ["a value that is cut", [0, 0, 0, 1, 0, 0, 0, 2, 7, 7]],
    ["a length beyond all bytes", [255, 255, 255, 255, 255, 255, 255, 254, 7]],
  ])("%s is refused", (_what, bytes) => {
    expect(() => new PackedRows(Uint8Array.from(bytes))).toThrow(
      expect.objectContaining({ code: "ERR_PROTOCOL_DECODE" }),
    );
  });
});

function plain({ key, value }: StateRow): unknown {
  return [[...key], value === null ? null : [...value]];
}
