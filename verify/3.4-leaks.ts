/** Point 3.4: a study that leaks and one that is scored on seen rows are caught, and a clean one is not accused. */
import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Progress } from "../src/cli/progress.ts";
import { readRows, type Table } from "../src/data/source.ts";
import { splitRows } from "../src/data/split.ts";
import { loadRdkit, type Rdkit } from "../src/rdkit.ts";
import type { Report } from "../src/study/report.ts";
import { sharedFolder } from "../test/support/goldens.ts";
import { sharedData } from "./needs.ts";
import { allPass, type Check, checkLines, type Point } from "./point.ts";
import { type Ended, runProgram } from "./process.ts";
import { root } from "./studies.ts";

const MOLECULES = 300;
const REPEATED = 60;
const SEEN = 10_000;
const split = { test: 0.2, validation: 0.1 };
/** In the words of warnings; the page also quotes the study, which may say `leaks: error`. */
const accusation = /leaks: \d|pretrained on|nearly one of training|share their/;

export const leaks: Point = {
  id: "3.4",
  asked:
    "A study that leaks (same molecule on both sides) and a study scored on seen rows are both caught, in report.json, report.html and on the terminal, with the right counts; a clean study is not accused.",
  needs: [sharedData],
  async run({ progress, folder }) {
    const home = await folder();
    await mkdir(home, { recursive: true });
    progress.note("building ...");
    const built = await runProgram("npm", ["run", "--silent", "build"], { cwd: root });
    if (built.code !== 0) throw new Error(built.stderr || built.stdout);
    const rdkit = await loadRdkit();
    const checks = [
      ...(await leaking(home, rdkit, progress)),
      ...(await seen(home, progress)),
      ...(await clean(home, progress)),
    ];
    progress.clear();
    return { measured: checkLines(checks), pass: allPass(checks) };
  },
};

/** 300 molecules of Lipophilicity; 60 come again, every other one written otherwise by RDKit at random. */
async function leaking(home: string, rdkit: Rdkit, progress: Progress): Promise<Check[]> {
  const rows = await molecules();
  const again = rows.slice(0, REPEATED).map(([smiles, y], i): [string, string] => {
    if (i % 2 === 0) return [smiles, y];
    return [rewritten(rdkit, smiles), y];
  });
  const data = join(home, "leaking.csv");
  await writeTable(data, [...rows, ...again]);
  const expected = sharedMolecules(await readRows({ file: data }), rdkit);
  const study = await writeStudy(home, "leaking", "leaking.csv", "row");
  const { ended, report, page } = await train(home, study, progress);
  const leak = report?.stages[0]?.tasks[0]?.leakage?.at(-1)?.test;
  const said = `${expected.same + expected.rewritten} of ${expected.of} test rows`;
  const strict = await writeStudy(home, "strict", "leaking.csv", "row", "leaks: error\n");
  const refused = await run(home, ["train", strict, "--out", join(home, "strict-run")], progress);
  const written = await access(join(home, "strict-run")).then(
    () => "a run folder",
    () => "nothing",
  );
  return [
    ended,
    {
      what: `leaking: as many as RDKit counts (${expected.same} the same, ${expected.rewritten} written otherwise, of ${expected.of})`,
      found: `${leak?.same} the same, ${leak?.rewritten} written otherwise, of ${leak?.of}`,
      pass:
        expected.same > 0 &&
        expected.rewritten > 0 &&
        leak?.same === expected.same &&
        leak.rewritten === expected.rewritten &&
        leak.of === expected.of,
    },
    ...tells("leaking", said, report, page, ended.output),
    {
      what: "leaking, leaks: error: refused with the counts, nothing written",
      found: `code ${refused.code}, ${written}: ${refused.stderr.trim().split("\n").at(-2)?.slice(0, 160)}`,
      pass:
        refused.code === 1 &&
        refused.stderr.includes("error[study/leaks]") &&
        refused.stderr.includes(said) &&
        written === "nothing",
    },
  ];
}

/** Rows around the 10,000th of ZINC, below which the base has seen them; and a table that it has seen all of. */
async function seen(home: string, progress: Progress): Promise<Check[]> {
  const zinc = join(sharedFolder, "data", "smiles", "zinc_qed_30k.csv");
  const range = { from: SEEN - MOLECULES / 2, to: SEEN + MOLECULES / 2 };
  const table = await readRows({ file: zinc, rows: range });
  const { test } = splitRows(table, { by: "row", ...split }, 0);
  const count = test.filter((i) => (table.rowNumbers[i] as number) < SEEN).length;
  const study = await writeStudy(home, "seen", zinc, "row", "", range);
  const { ended, report, page } = await train(home, study, progress);

  const cut = join(home, "zinc_qed_30k.csv");
  const lines = (await readFile(zinc, "utf8")).split("\n").slice(0, MOLECULES + 1);
  await writeFile(cut, `${lines.join("\n")}\n`);
  const words = [
    "learn",
    cut,
    "--input",
    "smiles:SMILES",
    "--target",
    "logp",
    "--minutes",
    "0.5",
    "--seeds",
    "1",
  ];
  const learned = await run(home, [...words, "--out", join(home, "learned")], progress);
  const all = Math.round(MOLECULES * 0.1);
  const sentence = `pretrained on ${all} of ${all} test rows`;
  return [
    ended,
    {
      what: `seen: ${count} of ${test.length} test rows are among the first ${SEEN}`,
      found: `${report?.data[0]?.seen.test} of ${report?.data[0]?.rows.test}`,
      pass: report?.data[0]?.seen.test === count && count > 0 && count < test.length,
    },
    ...tells("seen", `pretrained on ${count} of ${test.length} test rows`, report, page, ended.output),
    {
      what: `seen: learn says "${sentence}"`,
      found: learned.code === 0 ? line(learned.stdout, sentence) : learned.stderr.slice(-200),
      pass: learned.code === 0 && learned.stdout.includes(sentence),
    },
  ];
}

async function clean(home: string, progress: Progress): Promise<Check[]> {
  await writeTable(join(home, "clean.csv"), await molecules());
  const by = "{ group: [smiles], molecules: [smiles] }";
  const study = await writeStudy(home, "clean", "clean.csv", by, "leaks: error\n");
  const { ended, report, page } = await train(home, study, progress);
  const accused = [...(report?.warnings ?? ["no report"]), ended.output].filter((w) => accusation.test(w));
  return [
    ended,
    {
      what: "clean: nothing is said of leaks or seen rows",
      found: accused.join("; ") || "nothing",
      pass: report !== null && accused.length === 0 && !accusation.test(page),
    },
  ];
}

/** Every fourteenth molecule of Lipophilicity. */
async function molecules(): Promise<[string, string][]> {
  const { rows } = await readRows({ file: join(sharedFolder, "data", "moleculenet", "Lipophilicity.csv") });
  const stride = Math.floor(rows.length / MOLECULES);
  return Array.from({ length: MOLECULES }, (_, i) => {
    const row = rows[i * stride] as Record<string, string>;
    return [row.smiles as string, row.exp as string];
  });
}

const writeTable = (file: string, rows: readonly (readonly string[])[]): Promise<void> =>
  writeFile(file, `smiles,y\n${rows.map((r) => r.join(",")).join("\n")}\n`);

/** In RDKit's random order of atoms, which is another text. */
function rewritten(rdkit: Rdkit, smiles: string): string {
  const molecule = rdkit.get_mol(smiles) as unknown as {
    get_smiles(options: string): string;
    delete(): void;
  };
  try {
    const texts = Array.from({ length: 20 }, () => molecule.get_smiles('{"doRandom":true}'));
    return texts.find((t) => t !== smiles) as string;
  } finally {
    molecule.delete();
  }
}

/** Test rows whose molecule is among the training rows, counted one by one. */
function sharedMolecules(table: Table, rdkit: Rdkit): { same: number; rewritten: number; of: number } {
  const sides = splitRows(table, { by: "row", ...split }, 0);
  const text = (i: number) => table.rows[i]?.smiles as string;
  const canonical = (i: number) => {
    const molecule = rdkit.get_mol(text(i));
    const smiles = molecule?.get_smiles();
    molecule?.delete();
    return smiles;
  };
  const trained = Array.from(sides.train, (i) => ({ text: text(i), molecule: canonical(i) }));
  const test = Array.from(sides.test);
  const same = test.filter((i) => trained.some((t) => t.text === text(i)));
  const molecule = test.filter((i) => trained.some((t) => t.molecule === canonical(i)));
  return { same: same.length, rewritten: molecule.length - same.length, of: test.length };
}

async function writeStudy(
  home: string,
  name: string,
  file: string,
  by: string,
  more = "",
  rows?: { from: number; to: number },
): Promise<string> {
  const study = join(home, `${name}.yaml`);
  const target = rows ? "logp" : "y";
  const range = rows ? `rows: { from: ${rows.from}, to: ${rows.to} }, ` : "";
  await writeFile(
    study,
    `name: ${name}
${more}data:
  rows: { file: ${JSON.stringify(file)}, ${range}split: { by: ${by}, test: ${split.test}, validation: ${split.validation} } }
tags: { Value: { kind: function, answer: number, length: 2, init: { noise: 0.3 } } }
stages:
  - name: value
    train: [Value]
    steps: 4
    batch: 8
    tasks: [{ data: rows, template: "{smiles} <Value>", target: ${target}, molecules: [smiles] }]
`,
  );
  return study;
}

const run = (home: string, words: readonly string[], progress: Progress): Promise<Ended> =>
  runProgram(process.execPath, [join(root, "dist", "cli", "main.js"), ...words], {
    cwd: home,
    onLine: (text) => progress.update(text),
  });

async function train(home: string, study: string, progress: Progress) {
  const out = study.replace(/\.yaml$/, "-run");
  const { code, stdout, stderr } = await run(home, ["train", study, "--out", out], progress);
  const report = await readFile(join(out, "report.json"), "utf8").catch(() => null);
  const ended: Check & { output: string } = {
    what: `${study.slice(home.length + 1)} trains`,
    found: code === 0 ? "exit code 0" : `code ${code}: ${stderr.slice(-300)}`,
    pass: code === 0,
    output: `${stdout}\n${stderr}`,
  };
  const page = await readFile(join(out, "report.html"), "utf8").catch(() => "");
  return { ended, report: report === null ? null : (JSON.parse(report) as Report), page };
}

const line = (text: string, part: string): string =>
  text.split("\n").find((l) => l.includes(part)) ?? "does not say it";

/** The sentence where the user looks. */
function tells(name: string, said: string, report: Report | null, page: string, output: string): Check[] {
  const places = {
    "report.json": (report?.warnings ?? []).join("\n"),
    "report.html": page,
    terminal: output,
  };
  return Object.entries(places).map(([place, text]) => ({
    what: `${name}: ${place} says "${said}"`,
    found: text.includes(said) ? "yes" : "no",
    pass: text.includes(said),
  }));
}
