// A line chart in SVG: the newest values, evenly spaced, at most one redraw for each frame.
const VALUES_MAX = 120;
const HEIGHT = 280;
const MARGIN = { top: 12, right: 16, bottom: 12, left: 52 };
const BOTTOM = HEIGHT - MARGIN.bottom;
/** Between grid lines, about. */
const STEPS = 5;

export class Chart {
  count = 0;
  #svg;
  #points = [];
  #isDue = false;

  constructor(svg) {
    this.#svg = svg;
    new ResizeObserver(() => this.#redraw()).observe(svg);
  }

  add(name, value) {
    this.count += 1;
    this.#points.push({ name, value });
    if (this.#points.length > VALUES_MAX) this.#points.shift();
    this.#redraw();
  }

  #redraw() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#draw();
    });
  }

  #draw() {
    const width = this.#svg.clientWidth;
    const right = width - MARGIN.right;
    const ticks = ticksOf(this.#points.map(({ value }) => value));
    const [low, high] = [ticks[0], ticks.at(-1)];
    const step = (right - MARGIN.left) / (VALUES_MAX - 1);
    const y = (value) => MARGIN.top + ((high - value) / (high - low)) * (BOTTOM - MARGIN.top);
    // The newest stands at the right edge, and the others move on.
    const x = (i) => right - (this.#points.length - 1 - i) * step;
    const at = this.#points.map((point, i) => ({ ...point, x: x(i), y: y(point.value) }));
    const line = at.map((point) => `${point.x.toFixed(1)},${point.y.toFixed(1)}`).join(" ");
    this.#svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.#svg.replaceChildren(
      ...ticks.flatMap((value) => gridLine(value, y(value), right)),
      make("polyline", { class: "line", points: line }),
      ...at.map((point, i) => dotOf(point, i === at.length - 1)),
    );
  }
}

/** Round numbers, the first at or below the least value, the last at or above the greatest. */
function ticksOf(values) {
  const [least, greatest] = [Math.min(...values, Infinity), Math.max(...values, -Infinity)];
  if (least > greatest) return [0, 1];
  const rough = (greatest - least) / STEPS || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const [first, last] = [Math.floor(least / step), Math.ceil(greatest / step)];
  const count = Math.max(1, last - first);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  return Array.from({ length: count + 1 }, (_, i) => Number(((first + i) * step).toFixed(digits)));
}

function gridLine(value, y, right) {
  return [
    make("line", { class: "grid", x1: MARGIN.left, x2: right, y1: y, y2: y }),
    make("text", { class: "label", x: MARGIN.left - 10, y }, value),
  ];
}

function dotOf({ name, value, x, y }, isLast) {
  const shape = isLast ? { class: "dot last", r: 5 } : { class: "dot", r: 2.5 };
  const dot = make("circle", { ...shape, cx: x, cy: y });
  dot.dataset.txnid = name;
  dot.dataset.value = value;
  dot.append(make("title", {}, `${name}: ${value}`));
  return dot;
}

function make(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
