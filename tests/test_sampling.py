"""Several corpora as one: the parts that the paper gives them, and training with them."""

from collections import Counter

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import registry
from thinc.api import Config

from spacy_bertfamily.init_config.make import make_config
from spacy_bertfamily.sampling import SampledCorpora

SIZES = {"large": 900, "small": 100}


def reader(name, size):
    def read(nlp):
        return (Example(doc := Doc(nlp.vocab, words=[name, str(i)]), doc) for i in range(size))

    return read


def corpora(**sizes):
    return {name: reader(name, size) for name, size in sizes.items()}


def parts(sampled, nlp):
    counts = Counter(example.reference[0].text for example in sampled(nlp))
    assert sum(counts.values()) == sum(SIZES.values())
    return counts["small"] / sum(counts.values())


@pytest.mark.parametrize(
    ("scheme", "expected"),
    # sizes 900 and 100: 100/1000, 10/40, 1/2, and 100^0.2 / (900^0.2 + 100^0.2) at the end of annealing
    [("proportional", [0.1, 0.1]), ("square_root", [0.25, 0.25]), ("equal", [0.5, 0.5]), (0.5, [0.25, 0.25]),
     ("annealed", [0.1, 0.3919])],
)  # fmt: skip
def test_parts(scheme, expected):
    nlp = spacy.blank("en")
    sampled = SampledCorpora(corpora(**SIZES), scheme, epochs=2, seed=0)
    # four standard deviations of a share of 1,000 draws
    assert [parts(sampled, nlp) for _ in expected] == pytest.approx(expected, abs=4 * (0.25 / 1000) ** 0.5)


def test_annealing_stops_at_its_end():
    sampled = SampledCorpora(corpora(**SIZES), "annealed", epochs=3, seed=0)
    powers = []
    for _ in range(5):
        powers.append(sampled.power())
        list(sampled(spacy.blank("en")))
    assert powers == pytest.approx([1.0, 0.6, 0.2, 0.2, 0.2])


def test_every_example_comes_before_any_comes_again():
    nlp = spacy.blank("en")
    sampled = SampledCorpora(corpora(a=7, b=5), "equal", epochs=1, seed=1)
    seen = {"a": [], "b": []}
    for _ in range(10):
        for example in sampled(nlp):
            seen[example.reference[0].text].append(example.reference[1].text)
    for size, texts in ((7, seen["a"]), (5, seen["b"])):
        assert len(texts) > 2 * size
        for start in range(0, len(texts) - size + 1, size):
            assert len(set(texts[start : start + size])) == size


def test_the_seed_decides():
    def draw(seed):
        sampled = SampledCorpora(corpora(**SIZES), "annealed", epochs=2, seed=seed)
        return [example.reference.text for _ in range(2) for example in sampled(spacy.blank("en"))]

    assert draw(0) == draw(0)
    assert draw(0) != draw(1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"corpora": {}}, "corpora = {} is not allowed: at least one reader"),
        ({"scheme": "fair"}, "scheme = 'fair' is not allowed: one of proportional, square_root, equal, annealed"),
        ({"scheme": 1.5}, "scheme = 1.5 is not allowed"),
        ({"epochs": 0}, "epochs = 0 is not allowed: at least 1"),
    ],
)
def test_bad_settings(settings, message):
    make = registry.readers.get("spacy-bertfamily.SampledCorpora.v1")
    with pytest.raises(ValueError, match=message):
        make(**{"corpora": corpora(**SIZES), **settings})


def test_an_empty_corpus_is_named():
    with pytest.raises(ValueError, match=r"B075.*'b' has no examples"):
        list(SampledCorpora(corpora(a=3, b=0), "equal", epochs=1, seed=0)(spacy.blank("en")))


def test_training_three_tasks(tiny, tmp_path):
    """Tags, entities and categories from three files, each annotated for one task only, on one transformer."""
    vocab = spacy.blank("en").vocab
    words = ["Ann", "likes", "green", "eggs"]
    made = {name: [Doc(vocab, words=words) for _ in range(8)] for name in ("tagger", "ner", "textcat")}
    for i in range(8):
        for token, tag in zip(made["tagger"][i], ["N", "V", "J", "N"]):
            token.tag_ = tag
        made["ner"][i].set_ents([Span(made["ner"][i], 0, 1, label="PERSON")])
        made["textcat"][i].cats = {"A": float(i % 2), "B": float(1 - i % 2)}
    config = Config().from_str(make_config("tagger", backbone=tiny), interpolate=False)
    readers = {}
    for name, docs in made.items():
        DocBin(docs=docs).to_disk(tmp_path / f"{name}.spacy")
        readers[name] = {"@readers": "spacy.Corpus.v1", "path": str(tmp_path / f"{name}.spacy"), "gold_preproc": False}
        block = Config().from_str(make_config(name, backbone=tiny), interpolate=False)
        config["components"][name] = block["components"][name]
    config["nlp"]["pipeline"] = ["transformer", *made]
    sampled = {"@readers": "spacy-bertfamily.SampledCorpora.v1", "corpora": readers, "scheme": "square_root"}
    config["corpora"] = {"train": sampled, "dev": sampled}
    config["components"]["transformer"]["model"].update(max_pieces=32, stride=8)
    config["training"].update(max_steps=60, eval_frequency=30)
    config["training"]["optimizer"]["learn_rate"].update(warmup_steps=1, initial_rate=0.01)
    config["training"]["score_weights"] = {"tag_acc": 0.5, "ents_f": 0.5, "cats_score": 0.0}
    nlp = init_nlp(config)
    (tmp_path / "out").mkdir()
    with open(tmp_path / "log", "w") as log:
        train(nlp, tmp_path / "out", stdout=log)
    doc = spacy.load(tmp_path / "out" / "model-last")(" ".join(words))
    assert [token.tag_ for token in doc] == ["N", "V", "J", "N"]
    assert [ent.text for ent in doc.ents] == ["Ann"]
    assert set(doc.cats) == {"A", "B"}
