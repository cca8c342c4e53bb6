/** Point 5.5: bases from the hub and tags to and from it, against a server on loopback that behaves like it. */
import { allPass, type Check, checkLines, type Point } from "./point.ts";
import { allTestsPass, runTestFiles } from "./test-files.ts";

const files = ["settings", "pull", "faults", "refusals", "command", "tags"].map(
  (name) => `test/hub/${name}.test.ts`,
);

/** What the point asks for by name, and words of the tests that show it. */
const asked: readonly (readonly [what: string, words: RegExp])[] = [
  ["cache layout", /land as huggingface_hub has them|cache reader of @huggingface/],
  ["environment variables", /^(the cache: HF_HUB_CACHE|the token: HF_TOKEN|the endpoint)/],
  ["symlinked and copied caches", /cache that Python made (with|without) links|cache without links/],
  ["ranges", /the rest is fetched, and only the rest|for the rest:/],
  ["redirects", /never to the storage that it redirects to|addresses that a server should never send/],
  ["401, 403, 404", /what the hub refuses, by its own words/],
  ["truncation", /cut off/],
  ["slow", /silence:|slow and steady/],
  ["changed etag", /between two parts|changes at every look/],
  ["busy servers", /429 and 500/],
  ["offline, exactly", /HF_HUB_OFFLINE: the cache is used and no connection is opened|without a connection/],
  ["interrupts and kills", /in the middle of a pull|interrupted download/],
  ["several processes", /four processes at once|two at once/],
  ["tags pushed and pulled", /pushed and pulled|pushed again|a stranger|the commands, and a pull/],
  ["the card", /the card:/],
  ["pulled tags checked", /nothing that comes from the hub is trusted|name that is taken/],
  ["nothing unverified", /refused, and nothing is kept|found by the hash/],
];

export const hub: Point = {
  id: "5.5",
  asked:
    "Hub tests as listed (a real HTTP server on loopback that behaves like the hub: ranges, redirects, 401, 404, truncation, slow, changed etag; cache layout and environment variables; tags pushed and pulled); offline behaviour exact.",
  needs: [],
  async run({ progress }) {
    progress.update("running the tests of the hub ...");
    const run = await runTestFiles(files);
    progress.clear();
    const checks: Check[] = asked.map(([what, words]) => {
      const shown = run.tests.filter(({ name }) => words.test(name));
      const good = shown.filter(({ ok }) => ok);
      return {
        what,
        found: `${good.length} of ${shown.length} tests`,
        pass: shown.length > 0 && good.length === shown.length,
      };
    });
    checks.push(allTestsPass("all of them", run));
    const listed = run.tests.map(({ name, ok }) => `${ok ? "yes" : "NO "}  ${name}`).join("\n");
    return { measured: `${listed}\n\n${checkLines(checks)}`, pass: allPass(checks) };
  },
};
