/** The commands `verify` and `bench` name what they have and refuse what they have not; nothing is measured here. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { root } from "../../scripts/docs.ts";

function run(command: "bench" | "verify", ...words: string[]) {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const options = { cwd: root, encoding: "utf8", env } as const;
  return spawnSync(process.execPath, ["--import", "tsx", `${command}/main.ts`, ...words], options);
}

test("verify without a point lists all of them, with what they ask and need", () => {
  const { status, stdout } = run("verify");
  assert.equal(status, 0);
  for (const id of ["2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7"]) {
    assert.match(stdout, new RegExp(`^  ${id.replace(".", "\\.")}  \\S`, "m"));
  }
  assert.match(stdout, /needs PyTorch/);
});

test("verify refuses a point that does not exist", () => {
  for (const words of [["2.99"], ["7"], ["2.1x"], ["2."], ["--fast", "2.7"]]) {
    const { status, stderr, stdout } = run("verify", ...words);
    assert.equal(status, 2, words.join(" "));
    assert.equal(stdout, "");
    assert.match(stderr, /There is no point|Unknown option/);
  }
});

test("verify prints asked, measured and pass", () => {
  const { status, stdout } = run("verify", "2.7");
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^2\.7\nasked\n {2}At least 30 .*\nmeasured\n {2}\S/);
  assert.match(stdout, /error\[weights\/truncated\]: /);
  assert.match(stdout, /\npass \(/);
});

test("bench without a name lists what there is, and refuses other names", () => {
  const listed = run("bench");
  assert.equal(listed.status, 0);
  assert.match(listed.stdout, /^ {2}step {2}\S/m);
  for (const words of [
    ["stpe"],
    ["step", "--repeats", "0"],
    ["step", "--base", "none"],
    ["scaling", "--base", "polyglot-5m"],
    ["step", "--json", "--markdown"],
    ["step", "step"],
  ]) {
    const { status, stderr } = run("bench", ...words);
    assert.equal(status, 2, words.join(" "));
    assert.match(stderr, /npm run bench -- NAME/);
  }
});
