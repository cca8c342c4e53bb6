/** The card of a pushed library tells a stranger how to get tagllm and use the tags; what it says must work. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../scripts/docs.ts";
import { modelCard } from "../../src/tags/card.ts";
import { domainTag, functionTag } from "./sample.ts";

const card = modelCard([domainTag(), functionTag()], { repo: "lab/solubility" });
const readme = readFileSync(join(root, "README.md"), "utf8");

test("tagllm comes from where the README says that it comes from", () => {
  assert.match(
    readme,
    /^It is not on npm yet\. In a clone, /m,
    "when it is on npm, the card must say so too",
  );
  assert.match(card, /\ntagllm is not on npm yet: in a clone of it, /);
  assert.doesNotMatch(card, /npmjs|npx|npm install [^&]/);
  const { scripts, bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
    bin: Record<string, string>;
  };
  const [, steps = ""] = /in a clone of it, `(.*?)` makes the command `tagllm`/.exec(card) ?? [];
  assert.deepEqual(steps.split(" && "), ["npm install", "npm run build", "npm link"]);
  assert.ok("build" in scripts && "tagllm" in bin);
  assert.match(readme, /`tagllm` itself after `npm link`/);
});

test("its commands are those of tagllm", () => {
  const [, commands = ""] = /\n```sh\n([\s\S]*?)\n```\n/.exec(card) ?? [];
  assert.deepEqual(commands.split("\n"), [
    "tagllm tags pull lab/solubility --into tags",
    "tagllm tags verify tags --base FOLDER_OF_THE_BASE",
    "tagllm predict --tag QED --tags tags --base FOLDER_OF_THE_BASE --field smiles=...",
  ]);
});
