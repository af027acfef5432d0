/** Padded as the formatter wants it; from column `numbersFrom` on flush right. */
export function markdownTable(
  head: readonly string[],
  body: readonly (readonly string[])[],
  numbersFrom: number,
): string {
  const widths = head.map((title, i) =>
    Math.max(3, title.length, ...body.map((cells) => (cells[i] ?? "").length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${widths
      .map((width, i) =>
        i < numbersFrom ? (cells[i] ?? "").padEnd(width) : (cells[i] ?? "").padStart(width),
      )
      .join(" | ")} |\n`;
  const rule = `| ${widths
    .map((width, i) => (i < numbersFrom ? "-".repeat(width) : `${"-".repeat(width - 1)}:`))
    .join(" | ")} |\n`;
  return [line(head), rule, ...body.map(line)].join("");
}
