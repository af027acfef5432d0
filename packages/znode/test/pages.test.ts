import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isSamePiece, Pages, type Page } from "../src/pages.js";

interface Piece {
  readonly page: Page;
  readonly at: number;
  readonly length: number;
  readonly mark: number;
}

function allocated(pages: Pages, length: number, mark: number): Piece {
  const at = pages.allocate(length);
  const { page } = pages;
  page.bytes.fill(mark, at, at + length);
  return { page, at, length, mark };
}

describe("pages", () => {
  test("pieces that are in use never overlap, whatever is freed meanwhile", () => {
    const length = fc.oneof(fc.nat({ max: 200 }), fc.integer({ min: 1000, max: 40_000 }));
    const steps = fc.array(fc.tuple(fc.boolean(), length, fc.nat()), {
      maxLength: 200,
      size: "max",
    });
    fc.assert(
      fc.property(steps, (sequence) => {
        const pages = new Pages();
        const pieces: Piece[] = [];
        for (const [index, [isFreed, bytes, pick]] of sequence.entries()) {
          const piece = pieces[pick % Math.max(1, pieces.length)];
          if (isFreed && piece !== undefined) {
            pieces.splice(pieces.indexOf(piece), 1);
            pages.release(piece.page, piece.at, piece.length);
          } else {
            pieces.push(allocated(pages, bytes, (index % 255) + 1));
          }
          for (const { page, at, length: size, mark } of pieces) {
            const held = page.bytes.subarray(at, at + size);
            expect(Buffer.alloc(size, mark).equals(held)).toBe(true);
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  test("a freed piece is used again by one of its size", () => {
    const pages = new Pages();
    const first = allocated(pages, 100, 1);
    allocated(pages, 100, 2);
    pages.release(first.page, first.at, 100);
    expect(allocated(pages, 50, 3).at).not.toBe(first.at);
    const again = allocated(pages, 98, 4);
    expect([again.page, again.at]).toEqual([first.page, first.at]);
    expect([isSamePiece(100, 98), isSamePiece(100, 50)]).toEqual([true, false]);
  });

  test("what grows step by step beside what stays leaves a bounded part of memory behind", () => {
    const pages = new Pages();
    const seen = new Set<Page>();
    const take = (length: number): Piece => {
      const at = pages.allocate(length);
      seen.add(pages.page);
      return { page: pages.page, at, length, mark: 0 };
    };
    let growing = Array.from({ length: 400 }, () => take(64));
    for (let length = 80; length <= 4096; length += 16) {
      growing = growing.map((piece, index) => {
        if (isSamePiece(piece.length, length)) return { ...piece, length };
        const grown = take(length);
        pages.release(piece.page, piece.at, piece.length);
        // Something small in every page, which stays.
        if (index % 20 === 0) take(32);
        return grown;
      });
    }
    let held = 0;
    for (const { bytes } of seen) held += bytes.length;
    expect(held).toBeLessThan(14 * 400 * 4096);
  });

  test("a page whose pieces are all freed is let go", () => {
    const pages = new Pages();
    const many = Array.from({ length: 1000 }, () => allocated(pages, 1000, 5));
    const used = new Set(many.map(({ page }) => page));
    expect(used.size).toBeGreaterThan(2);
    for (const { page, at } of many) pages.release(page, at, 1000);
    const kept = [...used].filter(({ bytes }) => bytes.length > 0);
    expect(kept).toHaveLength(1);
    // What is known of the freed ones does not lead back to them.
    const next = Array.from({ length: 1000 }, () => allocated(pages, 1000, 6));
    expect(next.every(({ page }) => page.bytes.length > 0)).toBe(true);
    const large = allocated(pages, 100_000, 7);
    pages.release(large.page, large.at, 100_000);
    expect(large.page.bytes).toHaveLength(0);
  });
});
