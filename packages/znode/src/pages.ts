/** Bytes of one page. */
const PAGE_BYTES = 256 * 1024;
/** Pieces are multiples of it: what is freed fits what comes. */
const UNIT_BYTES = 16;
/** A longer piece has a page of its own. */
const SHARED_PIECE_BYTES_MAX = 16 * 1024;
const SHARED_UNITS_MAX = SHARED_PIECE_BYTES_MAX / UNIT_BYTES;
/**
 * Up to here there is a size of piece for each number of units, above it eight for each doubling:
 * what nodes that grow leave behind fits only their own size, and a page goes when all of it is
 * free. So what grows step by step leaves less than thirteen times its size, not hundreds of times.
 */
const EACH_UNITS_MAX = 16;
const SIZES_LOG = 3;

const NO_BYTES = new Uint8Array(0);
const NO_VIEW = new DataView(NO_BYTES.buffer);

/** Memory of many pieces. Outside of the collector's heap, which so has less to walk through. */
export class Page {
  readonly number: number;
  bytes: Uint8Array;
  view: DataView;
  /** Given out so far, from the start. */
  used = 0;
  /** Pieces that are in use. */
  pieces = 0;

  constructor(number: number, length: number) {
    this.number = number;
    this.bytes = new Uint8Array(length);
    this.view = new DataView(this.bytes.buffer);
  }
}

/** Freed pieces of one size: the page of each, and where in it. */
interface FreeList {
  readonly pages: Page[];
  readonly ats: number[];
}

/**
 * Memory for what stays: nodes with their paths and data. A typed array of its own for each takes
 * more memory than all the rest of a small node together.
 */
export class Pages {
  readonly #free: (FreeList | undefined)[] = [];
  /** By number; one that was let go has no bytes, and its number is for the next. */
  #pages: Page[] = [];
  #unused: number[] = [];
  #current = this.#make(0);

  /** Where {@link allocate} has found the last piece. */
  page = this.#current;

  get(number: number): Page {
    return this.#pages[number] ?? this.#current;
  }

  /** The piece's offset in {@link page}. Its bytes are whatever they were. */
  allocate(length: number): number {
    const units = unitsOf(length);
    const bytes = units * UNIT_BYTES;
    if (bytes > SHARED_PIECE_BYTES_MAX) return this.#take(this.#make(bytes), bytes);
    const list = this.#free[units];
    while (list !== undefined && list.pages.length > 0) {
      const page = list.pages.pop() ?? this.#current;
      const at = list.ats.pop() ?? 0;
      // One whose pieces were all freed has been let go.
      if (page.bytes.length === 0) continue;
      page.pieces += 1;
      this.page = page;
      return at;
    }
    if (this.#current.used + bytes > this.#current.bytes.length) {
      const full = this.#current;
      this.#current = this.#make(PAGE_BYTES);
      if (full.pieces === 0) this.#letGo(full);
    }
    return this.#take(this.#current, bytes);
  }

  release(page: Page, at: number, length: number): void {
    page.pieces -= 1;
    if (page.pieces === 0 && page !== this.#current) {
      this.#letGo(page);
      return;
    }
    const units = unitsOf(length);
    const list = (this.#free[units] ??= { pages: [], ats: [] });
    list.pages.push(page);
    list.ats.push(at);
  }

  /** Nothing is in use any more. */
  clear(): void {
    this.#free.length = 0;
    this.#pages = [];
    this.#unused = [];
    this.#current = this.#make(0);
    this.page = this.#current;
  }

  #make(bytes: number): Page {
    const page = new Page(this.#unused.pop() ?? this.#pages.length, bytes);
    this.#pages[page.number] = page;
    return page;
  }

  #letGo(page: Page): void {
    page.bytes = NO_BYTES;
    page.view = NO_VIEW;
    this.#unused.push(page.number);
  }

  #take(page: Page, bytes: number): number {
    const at = page.used;
    page.used += bytes;
    page.pieces += 1;
    this.page = page;
    return at;
  }
}

/** Whether a piece of the one length has room for exactly as much as one of the other. */
export function isSamePiece(a: number, b: number): boolean {
  return unitsOf(a) === unitsOf(b);
}

/** Of the piece that has room for so much. */
function unitsOf(length: number): number {
  const units = Math.ceil(length / UNIT_BYTES);
  if (units <= EACH_UNITS_MAX || units > SHARED_UNITS_MAX) return units;
  const step = 2 ** (31 - Math.clz32(units - 1) - SIZES_LOG);
  return Math.ceil(units / step) * step;
}
