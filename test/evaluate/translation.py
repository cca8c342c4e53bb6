"""What sacreBLEU says of texts of ours, for test/evaluate/translation.test.ts.

Run (sacreBLEU 2, `pip install sacrebleu`):
  python3 test/evaluate/translation.py > test/evaluate/translation.json
  npx biome format --write test/evaluate/translation.json
The numbers in the repository were made without a network: with sacreBLEU's own functions for one segment's
statistics and for the score (BLEU, CHRF, Tokenizer13a, TokenizerRegexp), typed off from its repository
(Apache-2.0; none of it is here), which gave first the numbers of `published` below.
"""
import json
from sacrebleu.metrics import BLEU, CHRF

# Numbers that others have published: (what, answers, truths, score, tolerance, source).
PUBLISHED = [
    ("sentenceBleu", ["Producția de zahăr primă va fi exprimată în ceea ce privește zahărul alb;"],
     ["producţia de zahăr brut se exprimă în zahăr alb;"], 8.493, 1e-3, "sacreBLEU, test/test_sentence_bleu.py"),
    ("sentenceBleu", ["this is a cat"], ["okay thanks"], 0.0, 1e-3, "sacreBLEU, test/test_sentence_bleu.py"),
    ("chrf", ["The relationship between cats and dogs is not exactly friendly.",
              "a good bookshop is just a genteel black hole that knows how to read."],
     ["The relationship between dogs and cats is not exactly friendly.",
      "A good bookshop is just a genteel Black Hole that knows how to read."], 84.64214891738334, 1e-9,
     "Hugging Face evaluate, metrics/chrf/README.md"),
    # With one order that matters, or with precision equal to recall, beta (3 in that file) plays no part.
    ("chrf", ["a"], ["a"], 100.0, 1e-4, "sacreBLEU, test/test_chrf.py"),
    ("chrf", [""], ["reference"], 0.0, 1e-4, "sacreBLEU, test/test_chrf.py"),
    ("chrf", ["a b c"], ["a b c"], 100.0, 1e-4, "sacreBLEU, test/test_chrf.py"),
    ("chrf", ["a b c"], ["abc"], 100.0, 1e-4, "sacreBLEU, test/test_chrf.py"),
    ("chrf", [""], ["c"], 0.0, 1e-4, "sacreBLEU, test/test_chrf.py"),
    ("chrf", ["a", "b"], ["a", "c"], 50.0, 1e-4, "sacreBLEU, test/test_chrf.py"),
    ("chrf", ["aa"], ["ab"], 25.0, 1e-4, "sacreBLEU, test/test_chrf.py"),
]

# Answers beside truths in eight languages, with what the tokens of 13a hang on.
CORPORA = {
    "EN": [
        ("The doctor said that the test costs $1,250.50 in 2021-22.", "The doctor said the test cost $1,250.50 in 2021-22."),
        ("Wash your hands (often)!", "Wash your hands - often!"),
        ("It's a well-known fact: e.g., 3.14 isn't 22/7.", "It is a well-known fact; e.g. 3.14 is not 22/7."),
        ("He asked: &quot;Who &amp; why?&quot; &lt;nobody&gt;", "He asked: \"Who & why?\" <nobody>"),
    ],
    "FR": [
        ("L'hôpital est ouvert de 8 h à 20 h.", "L'hôpital est ouvert de 8\u00a0h à 20\u00a0h."),
        ("« Où est la pharmacie ? » demanda-t-elle.", "« Où se trouve la pharmacie ? », demanda-t-elle."),
        ("Je n'ai pas de fièvre.", "Je n’ai pas de fièvre aujourd’hui."),
    ],
    "DE": [
        ("Am 3. Oktober 1990 wurde Deutschland wieder vereint.", "Am 3. Oktober 1990 wurde Deutschland wiedervereinigt."),
        ("Die Straße ist 2,5 km lang; sie führt nach Köln.", "Die Straße nach Köln ist 2,5 km lang."),
        ("„Wie geht es dir?“, fragte er.", "„Wie geht's dir?“, fragte sie ihn."),
    ],
    "IT": [
        ("Non c'è nessun medico nell'edificio.", "Nell'edificio non c'è alcun medico."),
        ("Perché l'acqua è così fredda?", "Perché l'acqua è tanto fredda?"),
    ],
    "RU": [
        ("Пациенту нужна помощь врача.", "Пациенту срочно нужна помощь врача!"),
        ("Он приехал в Москву в 1999 году, а уехал в 2003-м.", "В Москву он приехал в 1999 году и уехал в 2003-м."),
    ],
    "EL": [
        ("Πού είναι το νοσοκομείο;", "Που βρίσκεται το νοσοκομείο;"),
        ("Ο γιατρός είπε ότι όλα πάνε καλά.", "Ο γιατρός λέει ότι όλα θα πάνε καλά."),
    ],
    "ES": [
        ("¿Dónde está la estación de autobuses?", "¿Dónde queda la estación de autobuses?"),
        ("¡Qué día tan bonito!", "Qué día más bonito."),
    ],
    "PT": [
        ("Não há vagas no hospital até amanhã.", "Até amanhã não há vagas no hospital."),
        ("A vacinação começou às 10h30.", "A vacinação começou às 10:30."),
    ],
    "short": [("yes", "yes"), ("no", "yes"), ("a b", "a b"), ("a b c", "a b")],
    "nothing right": [("uno dos tres cuatro", "one two three four"), ("", "nothing")],
    "blanks and signs": [
        ("tabs\tand\u2003wide\u3000blanks  \x1c here\ufeff there", "tabs and wide blanks here there"),
        ("line one-\ntwo\nthree <skipped>", "line onetwo three"),
        ("ends in a dash -\n", "ends in a dash -"),
        ("😀.5, 👩‍👩‍👧 e\u0301 é 1.2.3,4 .5 ,6 a.b", "😀 .5 , 👩‍👩‍👧 é e\u0301 1.2.3,4 .5,6 a.b"),
        ("{x}[y]~`!@#$%^&*()_+-=|\\:;\"'<>,.?/", "{ x } [y] ~ ` ! @ # $ % ^ & * ( ) _ + - = | \\ : ; \" ' < > , . ? /"),
        ("n" * 300 + " " + "ab " * 40, "n" * 290 + " " + "ab " * 41),
    ],
}
CORPORA["all"] = [pair for pairs in list(CORPORA.values()) for pair in pairs]


def scores(answers, truths):
    return {
        "bleu": BLEU().corpus_score(answers, [truths]).score,
        "chrf": CHRF().corpus_score(answers, [truths]).score,
        "sentenceBleu": [
            BLEU(effective_order=True).sentence_score(a, [t]).score for a, t in zip(answers, truths)
        ],
        "sentenceChrf": [CHRF().sentence_score(a, [t]).score for a, t in zip(answers, truths)],
    }


for what, answers, truths, score, tolerance, source in PUBLISHED:
    own = scores(answers, truths)
    found = own["sentenceBleu"][0] if what == "sentenceBleu" else own[what]
    assert abs(found - score) < tolerance, (answers, found, score, source)

corpora = {}
for name, pairs in CORPORA.items():
    answers, truths = [a for a, _ in pairs], [t for _, t in pairs]
    corpora[name] = {"answers": answers, "truths": truths, **scores(answers, truths)}
published = [
    dict(zip(("what", "answers", "truths", "score", "tolerance", "source"), case)) for case in PUBLISHED
]
print(json.dumps({"published": published, "corpora": corpora}, ensure_ascii=False))
