/** Charts as SVG text: readable without scripts, on screen and on paper, and by screen readers. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
}

export interface ChartLabels {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** x counts something: no ticks between whole numbers. */
  readonly whole?: boolean;
}

/** Okabe and Ito's palette, which the colour-blind can tell apart. */
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/** Lines differ in their dashes too, for print without colour. */
const dashes = ["", "6 3", "2 2", "8 3 2 3", "12 3", "1 3"];

const size = { width: 380, height: 260, left: 58, right: 12, top: 30, bottom: 42 };

export const escapeText = (text: string): string =>
  text.replace(
    /[&<>"']/g,
    (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[c] as string,
  );

interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
  /** Digits after the point that tell the ticks apart; null where they differ by powers. */
  readonly digits: number | null;
}

/** Lines over x; with `logarithmic` the y axis is. */
export function lineChart(labels: ChartLabels, series: readonly Series[], logarithmic = false): string {
  const points = series.flatMap((s) => s.points);
  const least = labels.whole ? 1 : 0;
  const x = linear(extent(points.map((p) => p.x)), size.left, size.width - size.right, least);
  const ys = points.map((p) => p.y);
  const [floor, ceiling] = [size.height - size.bottom, size.top];
  const y = logarithmic ? logScale(ys, floor, ceiling) : linear(extent(ys), floor, ceiling);
  const lines = series.map(({ points: own }, i) => {
    const path = own
      .filter((p) => Number.isFinite(p.y) && (!logarithmic || p.y > 0))
      .map((p) => `${fixed(x.at(p.x))},${fixed(y.at(p.y))}`);
    return `<polyline fill="none" ${strokeOf(i)} points="${path.join(" ")}"/>`;
  });
  return frame(labels, x, y, lines.join(""));
}

/** Points with the line where both axes are equal. */
export function scatterChart(labels: ChartLabels, series: readonly Series[]): string {
  const points = series.flatMap((s) => s.points);
  const both = padded(extent(points.flatMap((p) => [p.x, p.y])));
  const x = linear(both, size.left, size.width - size.right);
  const y = linear(both, size.height - size.bottom, size.top);
  const [low, high] = both;
  const diagonal = `<line x1="${fixed(x.at(low))}" y1="${fixed(y.at(low))}" x2="${fixed(x.at(high))}" y2="${fixed(y.at(high))}" stroke="#888" stroke-dasharray="4 3"/>`;
  const radius = points.length > 300 ? 2 : 3;
  const dots = series.map(({ points: own }, i) =>
    own
      .map(
        (p) =>
          `<circle cx="${fixed(x.at(p.x))}" cy="${fixed(y.at(p.y))}" r="${radius}" fill="${colourOf(i)}" fill-opacity="0.55"/>`,
      )
      .join(""),
  );
  return frame(labels, x, y, `${diagonal}${dots.join("")}`);
}

/** Names beside their lines, for charts with the same series. */
export function legend(series: readonly Series[]): string {
  if (series.length < 2) return "";
  const sample = (i: number) =>
    `<svg width="28" height="10" aria-hidden="true"><line x1="0" x2="28" y1="5" y2="5" ${strokeOf(i)}/></svg>`;
  return `<p class="legend">${series.map((s, i) => `<span>${sample(i)} ${escapeText(s.name)}</span>`).join("")}</p>`;
}

const colourOf = (i: number): string => colours[i % colours.length] as string;
const strokeOf = (i: number): string => {
  const dash = dashes[i % dashes.length];
  return `stroke="${colourOf(i)}" stroke-width="1.6"${dash ? ` stroke-dasharray="${dash}"` : ""}`;
};
const fixed = (n: number): string => n.toFixed(1);

function frame({ title, x: xLabel, y: yLabel }: ChartLabels, x: Scale, y: Scale, content: string): string {
  const { width, height, left, right, top, bottom } = size;
  const floor = height - bottom;
  const xTicks = x.ticks.map(
    (t) =>
      `<line x1="${fixed(x.at(t))}" x2="${fixed(x.at(t))}" y1="${floor}" y2="${floor + 4}" stroke="#333"/><text x="${fixed(x.at(t))}" y="${floor + 16}" text-anchor="middle">${tick(t, x.digits)}</text>`,
  );
  const yTicks = y.ticks.map(
    (t) =>
      `<line x1="${left}" x2="${width - right}" y1="${fixed(y.at(t))}" y2="${fixed(y.at(t))}" stroke="#e4e4e4"/><text x="${left - 6}" y="${fixed(y.at(t) + 4)}" text-anchor="end">${tick(t, y.digits)}</text>`,
  );
  const middle = (top + floor) / 2;
  return `<svg role="img" aria-label="${escapeText(`${title}: ${yLabel} over ${xLabel}`)}" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-size="11"><text x="${left}" y="16" font-size="13" font-weight="600">${escapeText(title)}</text>${yTicks.join("")}${xTicks.join("")}<path d="M${left},${top}V${floor}H${width - right}" fill="none" stroke="#333"/>${content}<text x="${(left + width - right) / 2}" y="${height - 6}" text-anchor="middle">${escapeText(xLabel)}</text><text transform="translate(12 ${middle}) rotate(-90)" text-anchor="middle">${escapeText(yLabel)}</text></svg>`;
}

/** Lowest and highest of the finite values, apart from each other. */
function extent(values: readonly number[]): [number, number] {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return [0, 1];
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const v of finite) [low, high] = [Math.min(low, v), Math.max(high, v)];
  const least = Math.max(Math.abs(low), Math.abs(high)) * 1e-6;
  if (high - low > least) return [low, high];
  const around = Math.max(Math.abs(low), Math.abs(high)) / 2 || 0.5;
  return [low - around, high + around];
}

/** So that no point lies on the axes. */
const padded = ([low, high]: readonly [number, number]): [number, number] => {
  const margin = (high - low) * 0.03;
  return [low - margin, high + margin];
};

/** `least`: of the step between ticks. */
function linear([low, high]: readonly [number, number], from: number, to: number, least = 0): Scale {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(least, ([1, 2, 5, 10].find((m) => m * power >= rough) as number) * power);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return {
    at: (v) => from + ((v - low) / (high - low)) * (to - from),
    digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)),
    ticks: Array.from({ length: count }, (_, k) => (first + k) * step),
  };
}

/** Of the positive values. */
function logScale(values: readonly number[], from: number, to: number): Scale {
  const [a, b] = extent(values.filter((v) => v > 0).map(Math.log10));
  const within = (t: number) => Math.log10(t) >= a - 1e-3 && Math.log10(t) <= b + 1e-3;
  const stride = Math.max(1, Math.ceil((b - a) / 6));
  const count = Math.ceil((b - a) / stride) + 2;
  const powers = Array.from({ length: count }, (_, k) => (Math.floor(a / stride) + k) * stride);
  const tens = powers.map((p) => 10 ** p).filter(within);
  const between = powers.flatMap((p) => [1, 2, 5].map((m) => m * 10 ** p)).filter(within);
  return {
    at: (v) => from + ((Math.log10(v) - a) / (b - a)) * (to - from),
    digits: null,
    ticks: tens.length >= 3 || between.length === 0 ? tens : between,
  };
}

function tick(t: number, digits: number | null): string {
  if (t === 0) return "0";
  const magnitude = Math.abs(t);
  if (magnitude >= 1e5 || magnitude < 1e-3) return t.toExponential(0);
  return digits === null || digits > 6 ? String(Number(t.toPrecision(6))) : t.toFixed(digits);
}
