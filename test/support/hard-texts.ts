/** Texts that tokenizers get wrong: what vocabularies are compared on. No lone surrogates: no UTF-8 has them. */

const letters = (length: number, alphabet: string): string => {
  let state = 1;
  return Array.from({ length }, () => {
    state = (state * 48271) % 2147483647;
    return alphabet[state % alphabet.length];
  }).join("");
};

export const hardTexts: Readonly<Record<string, string>> = {
  English: "It's the doctors' view that we'll need 12,500.75 more; they'd WE'LL I'M 'tis—“quoted”, don’t…",
  French: "L'élève n'a-t-il pas mangé ? « Où ça ? » Ça coûte 3 000,50 €, aujourd’hui à Nîmes : œuvre, cœur.",
  German: "Straßenbahnhaltestellenüberdachung, größte Übung, „Fußgänger“ – 2,5 km am 3.10.1990.",
  Italian: "Perché l'acqua è così fredda? C'è più caffè nell'università, dov'è?",
  Russian: "Съешь ещё этих мягких французских булок, да выпей чаю. Москва́, 1999-й год.",
  Greek: "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Ὦ ξεῖν’, ἀγγέλλειν Λακεδαιμονίοις ὅτι τῇδε κείμεθα.",
  Spanish: "¿Dónde está el niño? ¡Qué pingüino más extraño! El 50 % de 1.000.000.",
  Portuguese: "À noite, vovô Kowalsky vê o ímã cair no pé do pinguim queixoso. Não há ações às 10h30.",
  "other scripts": "日本語のテキスト、中文文本。한국어 텍스트 العربية النص עברית हिन्दी पाठ ไทยข้อความ ქართული",
  code: 'def f(x: int) -> str:\n    """Doc."""\n\tif x >= 10 and not y:\n        return f"{x!r:>10}"  # end\n\n\nclass A:\n    pass\n',
  markup: "<div class='a'>&lt;b&gt; &amp; <br/></div> {{ x }} {% if y %} \u0024{z} <|x|> [INST] hi [/INST]",
  digits: "1 12 123 1234 12345 1234567890 1,234.5 3.14159 ½ ² Ⅷ ٣٤٥ १२३ 1e-10 0x1F 007",
  "runs of blanks": "a  b   c    d     e\t\tf \t g                                        h ",
  "blanks first": "   three blanks first",
  "one blank": " ",
  "only blanks": "      ",
  newlines: "\n\na\n b \n\n\n c\r\rd\r\n\r\ne\n \n",
  CRLF: "first line\r\nsecond line\r\n\r\n  third\r\n",
  "other blanks": "a\u00a0b\u2003c\u3000d\u200be\u2028f\u2029g\u0085h\ufeffi\u1680j",
  emoji: "😀👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈🇬🇷 ❤️ ✨☕️ 🧬",
  "combining marks": "e\u0301 é n\u0303 ñ a\u030a\u0323 Z\u0351\u036b\u0343 ﬁ ｆｕｌｌ Å Å K K ẛ̣ 각 각",
  "control characters": "a\u0000b\u0001c\u0007d\u001be\u007ff\u0080g\u009fh\u000bi\u000cj",
  "rare characters": "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 𓀀 𝄞 \u{10ffff} \ue000 \ufffd ￼ ⠃⠗⠁⠊ ꙮ",
  "a prefix in text": "▁ ▁▁a Ġ Ċ ĠThe Â é",
  "control tokens":
    "a<s>b</s><unk> <|begin_of_text|><|eot_id|> <|im_start|>user<|im_end|> <bos><eos><start_of_turn>x<end_of_turn> <|endoftext|>",
  "pieces of control tokens": "<|im_ start|> <|end oftext|> </ s> < s > <start_of_turn <|<|im_end|>|>",
  "byte tokens in text": "<0x0A><0xE2>\\x0a \\u20ac €",
  "marks of thought": "<think>\nWell.\n</think>\n<tool_call>{}</tool_call>",
  punctuation:
    "... ?!?! --- ===> <<>> (((a))) [[b]] ''' \"\" `` ~~ ^^ __init__ a_b-c.d/e\\f @x #y $z %w &v *u",
  capitals: "iPhone McDonald's NASA'S USA's HTTPServer XMLHttpRequest ÀÉÎ ΑΒΓ АБВ ǅ",
  SMILES: "CC(=O)Oc1ccccc1C(=O)O C[C@@H](N)C(=O)O [O-][N+](=O)c1ccc(Cl)cc1 F/C=C\\F [13CH4] C%12CCCCC%12",
  "one SMILES": "CN1CCC[C@H]1c2cccnc2",
  protein:
    "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVVHSLAKWKRQTLGQHDFSAGEGLYTHMKALRPDEDRLSPLHSVYVDQWDWE",
  "3,000 letters": letters(3000, "abcdefghijklmnopqrstuvwxyz"),
  "3,000 residues": letters(3000, "ACDEFGHIKLMNPQRSTVWY"),
  "3,000 Greek letters": letters(3000, "αβγδεζηθικλμνξοπρστυφχψω"),
  "3,000 equal letters": "a".repeat(3000),
  "1,000 blanks": " ".repeat(1000),
  "1,000 newlines": "\n".repeat(1000),
  "1,000 emoji": "😀".repeat(1000),
  "one letter": "a",
};
