/** What the Python of docs/interop.md computes from tag files, against what we compute from them. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Runner } from "../../src/batch/runner.ts";
import { Base } from "../../src/models/base.ts";
import { defaultBase } from "../../src/models/default-base.ts";
import { bindTemplate } from "../../src/prompts/bind.ts";
import { compilePrompt } from "../../src/prompts/prompt.ts";
import { parseTemplate } from "../../src/prompts/template.ts";
import { predict } from "../../src/study/predict.ts";
import { openTags, requireTag } from "../../src/tags/library.ts";
import { tagSpec } from "../../src/tags/tag.ts";
import { readHeader, readTensor, toFloat32 } from "../../src/weights/safetensors.ts";

const folder = fileURLToPath(new URL("../golden/interop", import.meta.url));

test("transformers' side: logits, state and value are ours", async (t) => {
  const { tensors } = await readHeader(join(folder, "golden.safetensors"));
  const floats = async (name: string) => toFloat32(await readTensor(tensors.get(name)!), "F32");
  const [logits, state, value] = [await floats("logits"), await floats("state"), await floats("value")];
  const lengths = new Int32Array((await readTensor(tensors.get("lengths")!)).slice().buffer);

  const base = await Base.load(defaultBase);
  t.after(() => base.close());
  const tags = await openTags(join(folder, "tags"));
  const logp = requireTag(tags, "LogP");
  const bound = bindTemplate(parseTemplate(logp.template as string), {
    tags: new Map([...tags].map(([name, tag]) => [name, tagSpec(tag)])),
    fields: ["smiles"],
  });
  const settings = { tokenizer: base.tokenizer, maxTokens: 1024, withTarget: false, eosAfterTarget: false };
  const prompt = compilePrompt(bound, { smiles: "CCO" }, { ...settings, bos: logp.bos });
  assert.deepEqual(
    prompt.pieces.map(({ start, end }) => end - start),
    [...lengths],
  );

  const query = { prompt, isolate: logp.isolate, cut: 0 };
  const runner = new Runner(base, (name) => requireTag(tags, name).vectors, { reuse: "none", tokens: 512 });
  const ours = await runner.hidden([query], () => prompt.readout!);
  close(ours, state, 2e-5, "state");

  const open = await runner.hidden([{ ...query, isolate: false }], () => prompt.readout!);
  assert.throws(() => close(open, state, 1e-3, "without isolation"));

  // The probability of every 16th token as the next one.
  const ids = Array.from({ length: 256 }, (_, i) => 16 * i);
  const labels = ids.map((id) => ({ position: prompt.ids.length, id }));
  const [nats] = await runner.nll([query], [labels]);
  const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
  close(
    nats!,
    ids.map((id) => total - logits[id]!),
    2e-5,
    "next tokens",
  );
  const [prediction] = await predict(base, tags, "LogP", [{ smiles: "CCO" }]);
  close([prediction!.values.logp as number], value, 2e-5, "value");
});

function close(ours: ArrayLike<number>, golden: ArrayLike<number>, within: number, what: string): void {
  assert.equal(ours.length, golden.length);
  const largest = Math.max(...Array.from(golden, Math.abs));
  const worst = Math.max(...Array.from(golden, (value, i) => Math.abs(ours[i]! - value)));
  assert.ok(worst <= within * largest, `${what}: ${worst / largest}`);
}
