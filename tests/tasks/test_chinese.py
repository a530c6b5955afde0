"""Chinese pipelines on a tiny ALBERT with only a vocab.txt, and spaCy's Chinese tokenizer."""

import json
import shutil
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example

from spacy_bertfamily.annotation.answers import set_answers
from spacy_bertfamily.backbone import load_backbone

from ..util.pipelines import TAGGER, add_transformer, initialize_and_train

ADAPTER = {
    "@adapters": "spacy-bertfamily.Bottleneck.v1",
    "size": 8,
    "init_scale": 0.1,
    "per_depth": True,
}
DATA = [  # question, text, answer, words of the text and their tags
    ("谁写了书?", "安写了本书。", "安", ["安", "写了", "本", "书", "。"], "NVMNP"),
    ("谁在家吃饭?", "世界在家吃饭。", "世界", ["世界", "在", "家", "吃饭", "。"], "NPNVP"),
    ("谁写了书?", "你好在家。", "", ["你好", "在", "家", "。"], "NPNP"),
]


def make_pipeline(name, *components):
    nlp = spacy.blank("zh")  # one token per character
    add_transformer(nlp, name, adapter=ADAPTER, trainable=["adapter", "layer_norm"])
    for component in components:
        nlp.add_pipe(component, config=TAGGER if component == "tagger" else {})
    return nlp


def test_pairs_and_answers_are_learned_and_stored(backbones, tmp_path):
    nlp = make_pipeline(backbones("albert"), "pair_classifier", "span_qa")
    examples = []
    for question, text, answer, _, _ in DATA:
        gold = nlp.make_doc(f"{question} [SEP] {text}")
        start = gold.text.index(text) + text.index(answer)
        set_answers(gold, [(start, start + len(answer))] if answer else [])
        gold.cats = {"yes": float(bool(answer)), "no": float(not answer)}
        examples.append(Example(nlp.make_doc(gold.text), gold))
    losses = initialize_and_train(nlp, examples, 40, rate=0.02, drop=0.0)
    assert losses[-1]["span_qa"] < 0.3 * losses[0]["span_qa"]
    assert losses[-1]["pair_classifier"] < 0.3 * losses[0]["pair_classifier"]
    nlp.to_disk(tmp_path)
    for question, text, answer, _, _ in DATA:
        doc = spacy.load(tmp_path)(f"{question} [SEP] {text}")
        assert [found.text for found in doc._.answers[:1]] == ([answer] if answer else [])
        assert max(doc.cats, key=doc.cats.get) == ("yes" if answer else "no")


@pytest.mark.parametrize("words", [True, False], ids=["words", "characters"])
def test_tags_of_words_and_of_characters_are_learned(backbones, words):
    """Tokens may be words or characters; each has the pieces of its characters."""
    nlp = make_pipeline(backbones("albert"), "tagger")
    examples = []
    for _, _, _, parts, tags in DATA:
        if not words:
            tags = [tag for part, tag in zip(parts, tags) for _ in part]
            parts = list("".join(parts))
        doc = Doc(nlp.vocab, words=parts, spaces=[False] * len(parts))
        examples.append(Example.from_dict(doc, {"tags": list(tags)}))
    losses = initialize_and_train(nlp, examples, 20, rate=0.02, drop=0.0)
    assert losses[-1]["tagger"] < 0.2 * losses[0]["tagger"]
    for example in examples:
        doc = nlp(
            Doc(
                nlp.vocab,
                words=[t.text for t in example.predicted],
                spaces=[False] * len(example.predicted),
            )
        )
        assert [token.tag_ for token in doc] == [token.tag_ for token in example.reference]
        assert doc._.trf_data.align.lengths.tolist() == [len(token.text) for token in doc]


def test_the_tokenizer_is_found_for_a_vocabulary_with_settings(backbones, tmp_path):
    """The settings of some Chinese ALBERTs do not name the class of the tokenizer."""
    plain = load_backbone(backbones("albert")).tokenizer
    folder = Path(shutil.copytree(backbones("albert"), tmp_path / "albert"))
    names = {"unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]"}
    (folder / "special_tokens_map.json").write_text(json.dumps(names), encoding="utf8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({**names, "model_max_length": 512}), encoding="utf8"
    )
    found = load_backbone(str(folder)).tokenizer
    assert found.is_fast
    assert found.model_max_length == 512
    assert found("你好, world", "安")["input_ids"] == plain("你好, world", "安")["input_ids"]
