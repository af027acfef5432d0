/** A group of bars, one for each series; null for what was not measured. */
export interface BarGroup {
  readonly label: string;
  readonly values: readonly (number | null)[];
}

export interface BarChart {
  readonly title: string;
  readonly series: readonly string[];
  readonly groups: readonly BarGroup[];
}

const WIDTH = 860;
const LABEL_WIDTH = 250;
const VALUE_WIDTH = 70;
const BAR = 13;
const GAP = 12;
const TOP = 64;
const FONT = 'font-family="system-ui, sans-serif" font-size="12"';
/** Told apart also by those who do not see red and green, on light and on dark. */
const COLOURS = ["#2f7ed8", "#e08214", "#7f7f7f", "#8e63b3", "#1b9e77"];

/**
 * Horizontal bars as an SVG of text, rectangles and a line at 1: a library would bring a document
 * model and fonts for what are fifty lines here, and its next version would redraw every chart.
 */
export function barChart({ title, series, groups }: BarChart): string {
  const plot = WIDTH - LABEL_WIDTH - VALUE_WIDTH;
  const largest = Math.max(1, ...groups.flatMap(({ values }) => values.map((one) => one ?? 0)));
  const x = (value: number): number => LABEL_WIDTH + (value / largest) * plot;
  const groupHeight = series.length * BAR + GAP;
  const height = TOP + groups.length * groupHeight;
  const parts = [
    `<text x="8" y="20" font-weight="bold" fill="#808080">${escaped(title)}</text>`,
    ...series.map((name, i) => legend(name, i)),
    ...groups.flatMap((group, i) => groupParts(group, TOP + i * groupHeight, x)),
    line(x(1), height),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" ${FONT}>`,
    `<title>${escaped(title)}</title>`,
    ...parts,
    "</svg>\n",
  ].join("\n");
}

function legend(name: string, i: number): string {
  const x = LABEL_WIDTH + i * 130;
  const label = `<text x="${x + 16}" y="45" fill="#808080">${escaped(name)}</text>`;
  return `<rect x="${x}" y="36" width="10" height="10" fill="${colour(i)}"/>${label}`;
}

function groupParts({ label, values }: BarGroup, y: number, x: (value: number) => number) {
  const middle = y + (values.length * BAR) / 2 + 4;
  const text = `<text x="${LABEL_WIDTH - 8}" y="${middle}" text-anchor="end" fill="#808080">`;
  const bars = values.flatMap((value, i) => {
    if (value === null) return [];
    const top = y + i * BAR;
    const width = (x(value) - LABEL_WIDTH).toFixed(1);
    const size = `width="${width}" height="${BAR - 2}" fill="${colour(i)}"`;
    const shown = value.toPrecision(value < 10 ? 2 : 3);
    const at = `x="${(x(value) + 5).toFixed(1)}" y="${top + BAR - 3}" font-size="11"`;
    return [
      `<rect x="${LABEL_WIDTH}" y="${top}" ${size}/>`,
      `<text ${at} fill="#808080">${shown}</text>`,
    ];
  });
  return [`${text}${escaped(label)}</text>`, ...bars];
}

function line(x: number, height: number): string {
  const at = x.toFixed(1);
  return `<line x1="${at}" x2="${at}" y1="${TOP - 8}" y2="${height}" stroke="#808080"/>`;
}

function colour(i: number): string {
  return COLOURS[i % COLOURS.length] ?? "";
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
