/** Turns a list of attacks into tests: the right code, a message that names the culprit, a cure, and in good time. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { TagllmError } from "../../src/errors.ts";
import type { HostileCase } from "./cases/case.ts";

const MOST_MILLISECONDS = 5000;

export function testCases(cases: readonly HostileCase[]): void {
  for (const attack of cases) {
    test(`${attack.category}: ${attack.name}`, async () => {
      const dir = await mkdtemp(join(tmpdir(), "tagllm-hostile-"));
      try {
        const started = performance.now();
        const outcome = await attack.run(dir).then(
          (value) => assert.fail(`was accepted: ${JSON.stringify(value)}`),
          (error: unknown) => error,
        );
        assert.ok(performance.now() - started < MOST_MILLISECONDS, "took too long to be refused");
        assert.ok(outcome instanceof TagllmError, `is no TagllmError: ${outcome}`);
        assert.equal(outcome.code, attack.code, outcome.message);
        for (const part of attack.mentions ?? [])
          assert.ok(outcome.message.includes(part), `${part}: ${outcome.message}`);
        assert.match(outcome.cure, /\w.*\.$/);
      } finally {
        await rm(dir, { recursive: true, force: true });
      }
    });
  }
  test("every case has its own name", () => {
    assert.equal(new Set(cases.map(({ category, name }) => `${category}: ${name}`)).size, cases.length);
  });
}
