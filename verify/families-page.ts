/** docs/families.md: what each family of base models can do, as measured by point 5.1. */

export interface FamilyRow {
  readonly family: string;
  /** Folders of goldens, config forms counted once. */
  readonly goldens: readonly string[];
  readonly numbers: boolean;
  readonly tags: boolean;
  readonly decoding: boolean;
  /** Stored spans equal whole prompts; and whether one block serves at any offset. */
  readonly stored: boolean;
  readonly placement: "any" | "fixed";
  /** Has layers with a window in a golden. */
  readonly windows: boolean;
  readonly longRope: boolean;
  readonly webgpu: boolean;
}

const mark = (good: boolean): string => (good ? "yes" : "**no**");

export function familiesPage(rows: readonly FamilyRow[]): string {
  const header = [
    "family",
    "numbers and gradients",
    "tags trained",
    "decoding from stored keys",
    "stored spans",
    "windows",
    "on webgpu",
  ];
  const lines = rows.map((row) => [
    `\`${row.family}\``,
    mark(row.numbers),
    mark(row.tags),
    mark(row.decoding),
    row.stored ? (row.placement === "any" ? "anywhere" : "where they stand") : "**no**",
    row.windows ? mark(row.numbers && row.stored) : "none",
    mark(row.webgpu),
  ]);
  const table = [header, header.map(() => "---"), ...lines]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
  const long = rows.filter((row) => row.longRope).map((row) => `\`${row.family}\``);
  return `# Families of base models

A base is a checkpoint folder in Hugging Face layout. Its \`config.json\` names a family; anything else is an error that lists these. This table is written by \`npm run verify -- 5.1\` from what it measures against Hugging Face's own code (tiny random checkpoints, ${rows.reduce((n, row) => n + row.goldens.length, 0)} of them), on the CPU unless it says otherwise.

${table}

- **numbers and gradients**: every layer, logits and last hidden states within 2e-5, both losses' gradients with respect to the input embeddings within 5e-5, eight greedy tokens exact; from the config as release 4 and as release 5 writes it.
- **tags trained**: a tag's gradients, for text and for a head, are those that Hugging Face gives for the embeddings in its place; whole and behind a stored prefix.
- **decoding from stored keys**: one token at a time gives the numbers of whole prompts.
- **stored spans**: prompts with stored spans and prefixes give the numbers of whole prompts. *Anywhere*: one stored block serves wherever its span stands. *Where they stand*: GPT-2 learned a row for each absolute position, so a span is stored for each offset at which it stands.
- **windows**: layers that look back no further than a window; the window counts true positions also across stored blocks.
- **on webgpu**: a tag's gradients and predictions within 1e-4.

## Where tags stand

A tag's vectors stand where \`inputs_embeds\` of Hugging Face does. For most families these are rows of the embedding table. Gemma 3 multiplies by sqrt(width) within its embedding, so its tags are of the size of scaled rows, and a tag's first values are taken from scaled rows. Gemma 2 and Granite multiply after that point, GPT-2 adds its position rows after it: their tags are of the size of plain rows.

## Limits

- Long RoPE (${long.join(", ")}): beyond \`original_max_position_embeddings\` other frequencies hold for all positions of a text. Keys stored for short texts are not used in long ones, and the other way round; they are made once for each.
- Refused by name: RoPE of type \`dynamic\`, and \`yarn\` other than as an early name of phi3's; checkpoints that are quantised; attention to what comes later (\`use_bidirectional_attention\`); activations other than silu and the GELUs.
- Of \`gemma3\` with a \`text_config\` the text model is used; pictures are not.
- As in Hugging Face's eager attention, and unlike its default, Gemma 2's soft-cap on scores and GPT-2's \`scale_attn_weights\` and \`scale_attn_by_inverse_layer_idx\` count.

[How to add a family](add-a-family.md)
`;
}
