// Part of lint: nothing that .gitignore names is tracked. A tracked link called node_modules replaces the folder of
// that name wherever it is checked out. Outside a git repository there is nothing to look at.
import { spawnSync } from "node:child_process";

const words = ["ls-files", "--cached", "--ignored", "--exclude-standard"];
const { status, stdout } = spawnSync("git", words, { encoding: "utf8" });
const tracked = status === 0 ? stdout.trim() : "";
if (tracked) {
  console.error(`Ignored and yet tracked; git rm --cached it:\n${tracked}`);
  process.exit(1);
}
