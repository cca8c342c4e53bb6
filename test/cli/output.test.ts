/** The pieces that make output: progress and rates on a clock of our own, tables, CSV, ranges, failures. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import picocolors from "picocolors";
import { duration, Progress, Rate } from "../../src/cli/progress.ts";
import { ranges, visible } from "../../src/cli/prompt-view.ts";
import { exitCodeOf, failureOf, failureText, UsageError } from "../../src/cli/result.ts";
import { bytes, grouped, properties, table } from "../../src/cli/table.ts";
import { fileSink, tableFormat } from "../../src/cli/table-writer.ts";
import { readRows } from "../../src/data/source.ts";
import { TagllmError } from "../../src/errors.ts";
import fc from "../support/properties.ts";

class Screen {
  written = "";
  readonly isTTY: boolean;
  readonly columns = 20;

  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }

  write(text: string): void {
    this.written += text;
  }
}

test("on a terminal one line is rewritten, ten times a second at most, and notes stay", () => {
  const screen = new Screen(true);
  let now = 0;
  const progress = new Progress(screen, () => now);
  progress.update("one");
  now = 50;
  progress.update("too soon");
  now = 150;
  progress.update("a line that is too long for it");
  progress.note("done");
  progress.clear();
  assert.equal(screen.written, "\r\u001b[2Kone\r\u001b[2Ka line that is too…\r\u001b[2Kdone\n");
});

test("elsewhere a line every twenty seconds, without control characters", () => {
  const screen = new Screen(false);
  let now = 0;
  const progress = new Progress(screen, () => now);
  for (now = 0; now <= 60_000; now += 1000) progress.update(`at ${now}`);
  progress.note("done");
  assert.equal(screen.written, "at 20000\nat 40000\nat 60000\ndone\n");
});

test("a rate follows the last seconds and cannot be told from one mark", () => {
  let now = 0;
  const rate = new Rate(10_000, () => now);
  assert.equal(rate.mark(0), null);
  now = 1000;
  assert.equal(rate.mark(5), 5);
  for (let step = 6; step <= 26; step++) {
    now += 1000;
    rate.mark(step);
  }
  now += 1000;
  assert.equal(rate.mark(27), 1);
});

test("durations", () => {
  assert.deepEqual([0.04, 9.96, 10.4, 59.4, 59.6, 3599, 3600, 7505].map(duration), [
    "0.0 s",
    "10.0 s",
    "10 s",
    "59 s",
    "1 min 00 s",
    "59 min 59 s",
    "1 h 00 min",
    "2 h 05 min",
  ]);
});

test("tables align by characters", () => {
  const columns = [{ title: "name" }, { title: "n", align: "right" as const }];
  const rows = [
    ["Größe", "1,000"],
    ["x", "1"],
  ];
  assert.equal(table(columns, rows), "name       n\nGröße  1,000\nx          1");
  assert.equal(
    properties([
      ["a", "1"],
      ["long", "2"],
    ]),
    "a     1\nlong  2",
  );
  assert.deepEqual(
    [grouped(1234567), bytes(999), bytes(1000), bytes(21_902_336)],
    ["1,234,567", "999 B", "1.0 kB", "21.9 MB"],
  );
});

for (const format of ["csv", "tsv", "jsonl", "parquet"] as const)
  test(`${format} that is written is read back as it was`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "tagllm-table-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, `t.${format}`);
    assert.equal(tableFormat(file), format);
    const value = fc.stringMatching(/^[a-z,";\n\t é]{0,12}$/).map((text) => text.trim());
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ a: value, "b, c": value }, { noNullPrototype: true }), {
          minLength: 1,
          maxLength: 8,
        }),
        async (rows) => {
          const sink = await fileSink(file);
          await sink.begin([
            { name: "a", type: "text" },
            { name: "b, c", type: "text" },
          ]);
          for (const row of rows) await sink.write([[row.a, row["b, c"]]]);
          assert.equal(await sink.finish(), null);
          assert.deepEqual(readdirSync(folder), [`t.${format}`]);
          assert.deepEqual((await readRows({ file })).rows, rows);
        },
      ),
      { numRuns: format === "parquet" ? 5 : 60 },
    );
  });

test("positions as ranges, blanks made visible", () => {
  assert.equal(ranges([]), "none");
  assert.equal(ranges([3, 4, 5, 9, 11, 12]), "3-5, 9, 11-12");
  assert.equal(visible(" a\n\tb"), "␣a⏎⇥b");
});

test("every kind of error becomes a code, a problem, a cure and an exit code", () => {
  const plain = picocolors.createColors(false);
  const known = failureOf(new TagllmError("data/missing", "There is no file x.", "Check\nthe path."));
  assert.equal(failureText(known, plain), "error[data/missing]: There is no file x.\n  Check\n  the path.\n");
  const aborted = failureOf(new TagllmError("aborted", "Stopped.", "Go on."));
  assert.equal(failureText(aborted, plain), "interrupted: Stopped.\n  Go on.\n");
  const full = Object.assign(new Error("ENOSPC: no space left on device, write"), {
    code: "ENOSPC",
    syscall: "write",
  });
  const found = [
    known,
    failureOf(new UsageError("What?", "So.")),
    aborted,
    failureOf(full),
    failureOf(new TypeError("x")),
  ];
  assert.deepEqual(
    found.map((failure) => [failure.code, exitCodeOf(failure)]),
    [
      ["data/missing", 1],
      ["usage", 2],
      ["aborted", 130],
      ["system", 1],
      ["internal", 1],
    ],
  );
  assert.match(failureOf("thrown").problem, /thrown/);
});
