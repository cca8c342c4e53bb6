/** Charts of odd numbers: nothing that a run may contain makes them endless or empty of sense. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { escapeText, lineChart, scatterChart } from "../../src/report/charts.ts";
import fc from "../support/properties.ts";

const labels = { title: "t", x: "x", y: "y" };
const line = (ys: readonly number[], logarithmic: boolean) =>
  lineChart(labels, [{ name: "a", points: ys.map((y, x) => ({ x, y })) }], logarithmic);

/** Coordinates of a chart's ticks, lines and points, all inside the picture. */
function requireSound(svg: string): void {
  assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
  for (const [, points] of svg.matchAll(/points="([^"]*)"/g)) {
    for (const pair of points!.split(" ").filter(Boolean)) {
      const [x, y] = pair.split(",").map(Number) as [number, number];
      assert.ok(x >= 0 && x <= 380 && y >= 0 && y <= 260, pair);
    }
  }
  assert.ok((svg.match(/<text/g)?.length ?? 0) < 60, "a readable number of ticks");
}

test("any numbers give a sound chart, on both scales", () => {
  const number = fc.oneof(
    fc.double({ min: -1e12, max: 1e12, noNaN: true }),
    fc.constantFrom(0, Number.NaN, Number.POSITIVE_INFINITY, 5, 1e300, 1e-300, -1e300),
  );
  fc.assert(
    fc.property(fc.array(number, { maxLength: 20 }), fc.boolean(), (ys, logarithmic) => {
      requireSound(line(ys, logarithmic));
    }),
  );
});

test("no points, one point, equal points", () => {
  for (const ys of [[], [3], [3, 3, 3], [0, 0], [1e15, 1e15 + 1]]) {
    for (const logarithmic of [false, true]) requireSound(line(ys, logarithmic));
  }
  requireSound(scatterChart(labels, []));
});

test("ticks are round numbers that fit the values", () => {
  const ticks = (svg: string) => [...svg.matchAll(/text-anchor="end">([^<]*)</g)].map(([, t]) => t);
  assert.deepEqual(ticks(line([0, 10], false)), ["0", "5", "10"]);
  assert.deepEqual(ticks(line([1, 1000], true)), ["1", "10", "100", "1000"]);
});

test("text of data stays text", () => {
  assert.equal(escapeText(`<a href="x">'&`), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
  assert.ok(!lineChart({ ...labels, title: "<b>" }, []).includes("<b>"));
});
