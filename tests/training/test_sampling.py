"""Several corpora as one: the proportions of the sampling schemes, and training with them."""

from collections import Counter

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus, Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import create_train_batches, train
from spacy.util import load_config, registry

from spacy_bertfamily import join_segments
from spacy_bertfamily.training.sampling import NamedCorpora, SampledBatches

from ..util.files import ROOT

CONFIG = ROOT / "configs" / "multitask_pal.cfg"
SIZES = {"large": 900, "small": 100}


def reader(name, size):
    def read(nlp):
        return (Example(doc := Doc(nlp.vocab, words=[name, str(i)]), doc) for i in range(size))

    return read


def corpora(**sizes):
    return {name: reader(name, size) for name, size in sizes.items()}


def one_by_one(examples):
    return ([example] for example in examples)


def sampler(scheme, epochs=2, seed=0, **sizes):
    """RETURNS (Callable[[], list[Doc]]): Draws an epoch with each call."""
    examples = list(NamedCorpora(corpora(**(sizes or SIZES)))(spacy.blank("en")))
    batches = SampledBatches(one_by_one, scheme, epochs, seed)
    return lambda: [batch[0].reference for batch in batches(examples)]


def parts(draw):
    counts = Counter(doc[0].text for doc in draw())
    assert sum(counts.values()) == sum(SIZES.values())
    return counts["small"] / sum(counts.values())


@pytest.mark.parametrize(
    ("scheme", "expected"),
    # for sizes 900 and 100: 100/1000, 10/40, 1/2, and 100^0.2 / (900^0.2 + 100^0.2) at the end of
    # annealing
    [
        ("proportional", [0.1, 0.1]),
        ("square_root", [0.25, 0.25]),
        ("equal", [0.5, 0.5]),
        (0.5, [0.25, 0.25]),
        ("annealed", [0.1, 0.3919]),
    ],
)
def test_each_scheme_draws_the_proportions_of_its_formula(scheme, expected):
    draw = sampler(scheme)
    # four standard deviations of a proportion in 1,000 draws
    assert [parts(draw) for _ in expected] == pytest.approx(expected, abs=4 * (0.25 / 1000) ** 0.5)


def test_annealing_stops_at_its_end():
    batches, powers = SampledBatches(one_by_one, "annealed", epochs=3, seed=0), []
    examples = list(NamedCorpora(corpora(**SIZES))(spacy.blank("en")))
    for _ in range(5):
        powers.append(batches.exponent())
        list(batches(examples))
    assert powers == pytest.approx([1.0, 0.6, 0.2, 0.2, 0.2])


def test_every_example_is_drawn_before_any_is_drawn_again():
    draw = sampler("equal", seed=1, a=7, b=5)
    seen = {"a": [], "b": []}
    for _ in range(10):
        for doc in draw():
            seen[doc[0].text].append(doc[1].text)
    for size, texts in ((7, seen["a"]), (5, seen["b"])):
        assert len(texts) > 2 * size
        for start in range(0, len(texts) - size + 1, size):
            assert len(set(texts[start : start + size])) == size


def test_the_seed_decides_the_order():
    def texts(seed):
        draw = sampler("annealed", seed=seed)
        return [doc.text for _ in range(2) for doc in draw()]

    assert texts(0) == texts(0)
    assert texts(0) != texts(1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"scheme": "fair"},
            "scheme = 'fair' is not allowed: "
            "one of proportional, square_root, equal, annealed, or a",
        ),
        ({"scheme": 1.5}, "scheme = 1.5 is not allowed"),
        ({"epochs": 0}, "epochs = 0 is not allowed: at least 1"),
    ],
)
def test_invalid_settings_are_an_error(settings, message):
    make = registry.batchers.get("spacy-bertfamily.SampledBatches.v1")
    with pytest.raises(ValueError, match=message):
        make(**{"batcher": one_by_one, **settings})


def test_no_corpora_are_an_error():
    with pytest.raises(ValueError, match="corpora = {} is not allowed: at least one reader"):
        registry.readers.get("spacy-bertfamily.NamedCorpora.v1")({})


def test_an_empty_corpus_is_an_error_that_names_it():
    with pytest.raises(ValueError, match=r"B075.*'b' has no examples"):
        list(NamedCorpora(corpora(a=3, b=0))(spacy.blank("en")))


def test_examples_of_another_reader_are_an_error():
    examples = list(reader("a", 3)(spacy.blank("en")))
    with pytest.raises(
        ValueError, match=r"B113.*needs the reader 'spacy-bertfamily.NamedCorpora.v1'"
    ):
        SampledBatches(one_by_one, "equal", epochs=1, seed=0)(examples)


def test_the_reader_gives_each_example_once():
    nlp, read = spacy.blank("en"), NamedCorpora(corpora(a=3, b=2))
    expected = ["a 0", "a 1", "a 2", "b 0", "b 1"]
    assert [[example.reference.text.strip() for example in read(nlp)] for _ in range(2)] == [
        expected
    ] * 2


def test_the_training_loop_of_spacy_anneals():
    """It calls the batcher for each epoch, but the reader only once."""
    batches = SampledBatches(one_by_one, "annealed", epochs=2, seed=0)
    drawn = create_train_batches(
        spacy.blank("en"), NamedCorpora(corpora(**SIZES)), batches, max_epochs=2
    )
    counts = Counter((epoch, batch[0].reference[0].text) for epoch, batch in drawn)
    shares = [counts[epoch, "small"] / sum(SIZES.values()) for epoch in range(2)]
    assert shares == pytest.approx([0.1, 0.3919], abs=4 * (0.25 / 1000) ** 0.5)


WORDS = ["Ann", "likes", "green", "eggs"]


def three_tasks(nlp):
    """RETURNS (dict[str, list[Doc]]): Docs annotated with tags, with entities, or as pairs."""
    tags, entities, pairs = [], [], []
    for i in range(8):
        tags.append(Doc(nlp.vocab, words=WORDS, tags=["N", "V", "J", "N"]))
        entities.append(Doc(nlp.vocab, words=WORDS, ents=["B-PERSON", "O", "O", "O"]))
        pairs.append(
            join_segments(
                nlp.make_doc("Ann likes eggs"), nlp.make_doc("he ate" if i % 2 else "she likes ham")
            )
        )
        pairs[-1].cats = {"A": float(i % 2), "B": float(1 - i % 2)}
    return {"tags": tags, "entities": entities, "pairs": pairs}


def test_the_config_of_three_tasks_trains(tiny, tmp_path):
    """Each of the three files is annotated for one task only."""
    overrides = {
        "components.transformer.model.name": tiny,
        "components.transformer.model.max_pieces": 32,
        "components.transformer.model.stride": 8,
        "components.transformer.model.adapter.size": 24,
        "training.max_steps": 60,
        "training.eval_frequency": 60,
        "training.dropout": 0.0,
        "training.optimizer.learn_rate.warmup_steps": 1,
        "training.optimizer.learn_rate.initial_rate": 0.01,
    }
    for name, docs in three_tasks(spacy.blank("en")).items():
        (tmp_path / name).mkdir()
        overrides[f"paths.{name}"] = str(tmp_path / name)
        for split in ("train", "dev"):
            DocBin(docs=docs).to_disk(tmp_path / name / f"{split}.spacy")
    config = load_config(CONFIG, overrides=overrides)
    nlp = init_nlp(config)
    before = nlp.get_pipe("transformer").fingerprint
    (tmp_path / "out").mkdir()
    with open(tmp_path / "log", "w") as log:
        train(nlp, tmp_path / "out", stdout=log)
    loaded = spacy.load(tmp_path / "out" / "model-last")
    assert loaded.get_pipe("transformer").fingerprint == before
    read = registry.resolve({"dev": config.interpolate()["corpora"]["dev"]})["dev"]
    together = loaded.evaluate(list(read(loaded)))
    for name, score in {"tags": "tag_acc", "entities": "ents_f", "pairs": "cats_score"}.items():
        alone = loaded.evaluate(list(Corpus(tmp_path / name / "dev.spacy")(loaded)))
        # examples of other tasks do not change the score
        assert together[score] == pytest.approx(alone[score]) == 1.0, name
