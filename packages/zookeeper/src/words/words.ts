/** The four-letter words of ZooKeeper 3.9, but `stmk`, which takes more than its letters. */
export const WORDS: readonly string[] = [
  "conf",
  "cons",
  "crst",
  "dirs",
  "dump",
  "envi",
  "gtmk",
  "hash",
  "isro",
  "mntr",
  "ruok",
  "srst",
  "srvr",
  "stat",
  "stmk",
  "wchc",
  "wchp",
  "wchs",
];

const byNumber: ReadonlyMap<number, string> = new Map(
  WORDS.map((word) => [Buffer.from(word, "latin1").readInt32BE(), word]),
);

/** The word that the first four bytes of a connection are; null when they are none. */
export function wordOf(firstInt: number): string | null {
  return byNumber.get(firstInt) ?? null;
}
