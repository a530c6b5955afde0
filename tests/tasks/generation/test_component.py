"""`text_generator` in a pipeline: learning, writing, scores, files."""

import copy
import math
import pickle
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus, Example

from spacy_bertfamily.annotation.generated import Generated, get_generated, set_generated
from spacy_bertfamily.tasks.generation.scorer import make_text_generator_scorer
from spacy_bertfamily.tasks.generation.shim import WriterShim
from spacy_bertfamily.tasks.generation.write import whole_words

from ...util.generation import LONG, PAIRS, make_gold_examples, make_writer, parts_of
from ...util.pipelines import TAGGER, tagged_examples

TEXTS = [source for source, _ in PAIRS]
GOLDS = [gold for _, gold in PAIRS]
pytestmark = pytest.mark.filterwarnings("ignore:.*W403")


def texts_of(docs):
    return [[one.text for one in doc._.generated] for doc in docs]


def test_it_is_added_by_its_name_alone_and_learns_by_heart(trained):
    assert spacy.blank("en").add_pipe("adapter_transformer") is not None
    nlp = spacy.blank("en")
    nlp.add_pipe("adapter_transformer")
    nlp.add_pipe("text_generator")
    block = nlp.get_pipe_config("text_generator")["model"]["@architectures"]
    assert block == "spacy-bertfamily.PrefixLM.v1"
    assert texts_of(trained.pipe(TEXTS)) == [[gold] for gold in GOLDS]
    (written,) = trained(TEXTS[0])._.generated
    assert isinstance(written, Generated)
    assert -1 < written.score < 0


def test_texts_in_batches_are_those_of_single_docs(trained):
    texts = [*TEXTS, "green ham", "the small dog likes green eggs and the ham"]
    alone = [trained(text)._.generated for text in texts]
    for doc, expected in zip(trained.pipe(texts), alone):
        assert [one.text for one in doc._.generated] == [one.text for one in expected]
        assert [one.score for one in doc._.generated] == pytest.approx(
            [one.score for one in expected], abs=1e-4
        )


def test_settings_of_a_call_hold_for_that_call(trained):
    component = trained.get_pipe("text_generator")
    assert component.generate(TEXTS[0])[0].text == GOLDS[0]
    several = component.generate(TEXTS, num_beams=4, num_return=2)
    assert [len(texts) for texts in several] == [2, 2, 2]
    assert all(one.score >= other.score for one, other in several)
    assert [texts[0].text for texts in several] == GOLDS
    assert component.generate(TEXTS[2], max_length=2)[0].text == "dog small"
    long = component.generate(TEXTS[1], min_length=6)[0].text
    assert len(long.split()) > 2
    words = component.generate(TEXTS[2], min_length=8, no_repeat_ngram=1)[0].text.split()
    assert len(words) == len(set(words))
    drawn = [component.generate(TEXTS, sample=True, temperature=3.0, seed=s) for s in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    best = component.generate(TEXTS, sample=True, top_k=1, seed=3)
    assert [texts[0].text for texts in best] == GOLDS
    assert component.settings.num_beams == 1
    doc = trained.make_doc(TEXTS[0])
    assert component.generate(doc) == component.generate(TEXTS[0])
    component = copy.deepcopy(trained).get_pipe("text_generator")
    component.change_settings(num_beams=3, num_return=3)
    assert len(component.generate(TEXTS[0])) == 3


def test_streams_are_the_text_in_parts(trained):
    component = trained.get_pipe("text_generator")
    for text, gold in PAIRS:
        parts = list(component.stream(text))
        assert len(parts) == len(gold.split())
        assert "".join(parts) == gold
    assert list(component.stream("   ")) == []
    drawn = list(component.stream(TEXTS[0], sample=True, temperature=4.0, seed=2))
    again = component.generate(TEXTS[0], sample=True, temperature=4.0, seed=2)
    assert "".join(drawn) == again[0].text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("eggs", ""),
        ("green eggs", "green"),
        ("green eggs ", "green eggs"),
        ("你好", "你好"),
        ("你好 OK", "你好"),
        ("OK 你好", "OK 你好"),
        ("你\ufffd", "你"),
    ],
)
def test_streams_hold_back_what_may_not_be_whole(text, expected):
    assert whole_words(text) == expected


@pytest.mark.parametrize(
    "settings",
    [
        {"sample": True, "temperature": 1e-30},
        {"sample": True, "temperature": 1e38, "seed": 2**64 - 1},
        {"num_beams": 3, "length_penalty": 50.0},
        {"num_beams": 3, "length_penalty": -50.0},
    ],
)
def test_extreme_settings_write_a_text_with_a_finite_score(trained, settings):
    (written,) = trained.get_pipe("text_generator").generate(TEXTS[0], **settings)
    assert math.isfinite(written.score)


def test_threads_that_begin_together_share_modules_with_their_weights(trained, monkeypatch):
    nlp = pickle.loads(pickle.dumps(trained))
    component = nlp.get_pipe("text_generator")
    shim, writer_shim = component.encoder_shim(), component.writer_shim
    put_stored = WriterShim._put_stored

    def put_slowly(*args):
        time.sleep(0.05)
        put_stored(*args)

    monkeypatch.setattr(WriterShim, "_put_stored", put_slowly)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: writer_shim.modules_on(shim), range(4)))
    assert all(modules is found[0] for modules in found)


def test_stored_pipelines_write_the_same(trained, tmp_path):
    trained.to_disk(tmp_path)
    restored = spacy.blank("en").from_config(trained.config).from_bytes(trained.to_bytes())
    copies = [spacy.load(tmp_path), restored, copy.deepcopy(trained)]
    copies.append(pickle.loads(pickle.dumps(trained)))
    for nlp in copies:
        for doc, expected in zip(nlp.pipe(TEXTS), trained.pipe(TEXTS)):
            assert doc._.generated == expected._.generated
    again = spacy.load(tmp_path).get_pipe("text_generator").writer_shim
    # also of weights that have no modules yet
    assert again.to_bytes() == trained.get_pipe("text_generator").writer_shim.to_bytes()
    docs = list(trained.pipe(TEXTS * 2, n_process=2, batch_size=3))
    assert texts_of(docs) == [[gold] for gold in GOLDS * 2]


def test_only_what_is_trained_is_stored(tiny):
    nlp = make_writer(tiny, {"trainable": ["adapter"], "adapter": SMALL})
    examples = make_gold_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    encoder = nlp.get_pipe("transformer").shim.encoder
    frozen = {n: p.clone() for n, p in encoder.named_parameters() if not p.requires_grad}
    trained = {n: p.clone() for n, p in encoder.named_parameters() if p.requires_grad}
    head = nlp.get_pipe("text_generator").writer_shim
    before = {n: p.clone() for n, p in head.own_parameters().items()}
    losses = [nlp.update(examples, sgd=optimizer)["text_generator"] for _ in range(20)]
    assert losses[-1] < losses[0]
    now = dict(encoder.named_parameters())
    assert all(torch.equal(now[name], value) for name, value in frozen.items())
    assert all(not torch.equal(now[name], value) for name, value in trained.items())
    after = head.own_parameters()
    assert all(not torch.equal(after[name], value) for name, value in before.items())
    assert not any(value.shape == encoder.embeddings.shape for value in before.values())
    assert len(head.to_bytes()) < 4 * encoder.embeddings.numel()


SMALL = {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 8}


@pytest.mark.parametrize("which", ["frozen", "excluded"])
def test_a_frozen_transformer_stays_as_it_is(tiny, which):
    trainable = [] if which == "frozen" else ["all"]
    nlp = make_writer(tiny, {"trainable": trainable})
    examples = make_gold_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    shim = nlp.get_pipe("transformer").shim
    before = {name: value.clone() for name, value in shim.encoder.named_parameters()}
    exclude = ["transformer"] if which == "excluded" else []
    losses = [
        nlp.update(examples, sgd=optimizer, exclude=exclude)["text_generator"] for _ in range(20)
    ]
    assert losses[-1] < losses[0]
    for name, value in shim.encoder.named_parameters():
        assert torch.equal(value, before[name])
        assert value.grad is None


def test_the_transformer_does_not_run_in_training_if_only_writers_listen(tiny, monkeypatch):
    nlp = make_writer(tiny)
    examples = make_gold_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)

    def never(*args):
        raise AssertionError("the transformer ran")

    monkeypatch.setattr("spacy_bertfamily.transformer.model.encode", never)
    before = nlp.get_pipe("transformer").shim.encoder.embeddings.detach().clone()
    nlp.update(examples, sgd=optimizer)
    after = nlp.get_pipe("transformer").shim.encoder.embeddings
    assert not torch.equal(before, after)


def test_the_loss_is_a_mean_over_the_pieces_of_the_batch(tiny):
    nlp = make_writer(tiny, {"trainable": ["top:1"]})
    examples = make_gold_examples(nlp)
    nlp.initialize(lambda: examples)
    encoder = nlp.get_pipe("transformer").shim.encoder
    encoder._thawed = []  # no dropout
    head = nlp.get_pipe("text_generator").writer_shim

    def gradients(part):
        losses = nlp.update(part, sgd=False, losses={})
        parameters = {**dict(encoder.named_parameters()), **head.own_parameters()}
        found = {name: p.grad for name, p in parameters.items() if p.grad is not None}
        for parameter in parameters.values():
            parameter.grad = None
        return losses["text_generator"], found

    loss, found = gradients(examples)
    pieces = [len(gold.split()) + 1 for gold in GOLDS]
    parts = [gradients([example]) for example in examples]
    expected = sum(n * part for n, (part, _) in zip(pieces, parts)) / sum(pieces)
    assert loss == pytest.approx(expected, abs=1e-5)
    assert len(found) > 10
    for name, gradient in found.items():
        total = sum(n * part[name] for n, (_, part) in zip(pieces, parts)) / sum(pieces)
        torch.testing.assert_close(gradient, total, rtol=1e-4, atol=1e-5)


def test_a_writer_learns_beside_a_tagger(tiny):
    nlp = make_writer(tiny, {"trainable": ["all"]})
    nlp.add_pipe("tagger", config=TAGGER)
    examples = [
        Example(nlp.make_doc(tagged.text), _with_gold(tagged.reference, gold))
        for tagged, gold in zip(tagged_examples(nlp), GOLDS)
    ]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.005
    first = nlp.update(examples, sgd=optimizer, losses={})
    for _ in range(30):
        last = nlp.update(examples, sgd=optimizer, losses={})
    assert last["text_generator"] < first["text_generator"] / 2
    assert last["tagger"] < first["tagger"] / 2


def _with_gold(doc, gold):
    doc.user_data["generated"] = gold
    return doc


def test_replaced_listeners_write_the_same_and_learn(trained, tmp_path):
    nlp = copy.deepcopy(trained)
    nlp.replace_listeners("transformer", "text_generator", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    assert texts_of(nlp.pipe(TEXTS)) == [[gold] for gold in GOLDS]
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert texts_of(loaded.pipe(TEXTS)) == [[gold] for gold in GOLDS]
    examples = make_gold_examples(loaded, [("Eat blue ham", "green dog")])
    optimizer = loaded.resume_training()
    optimizer.learn_rate = 0.005
    losses = [loaded.update(examples, sgd=optimizer)["text_generator"] for _ in range(10)]
    assert losses[-1] < losses[0]


def test_pieces_that_are_not_in_gold_texts_are_not_written(tiny):
    nlp = make_writer(tiny, model={"pieces": "seen"})
    examples = make_gold_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    losses = [nlp.update(examples, sgd=optimizer)["text_generator"] for _ in range(20)]
    assert losses[-1] < losses[0]
    component = nlp.get_pipe("text_generator")
    drawn = component.generate(TEXTS, sample=True, temperature=50.0, num_return=20, seed=1)
    known = {word for gold in GOLDS for word in gold.split()}
    assert {word for texts in drawn for one in texts for word in one.text.split()} == known
    restored = spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())
    assert texts_of(restored.pipe(TEXTS)) == texts_of(nlp.pipe(TEXTS))
    # the same scores as those of the whole head
    _, head, shim = parts_of(nlp)
    states = torch.randn(3, shim.encoder.width)
    with torch.inference_mode():
        some, every = head(states), head.head(states)
    torch.testing.assert_close(some, every[:, head.pieces])


def test_gold_texts_survive_a_corpus_on_disk(tiny, tmp_path):
    nlp = make_writer(tiny)
    golds = ["eggs", ["one text", "another text"], None]
    examples = make_gold_examples(nlp, [(text, gold) for text, gold in zip(TEXTS, golds)])
    docs = [example.reference for example in examples]
    DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "train.spacy")
    found = list(Corpus(tmp_path / "train.spacy")(nlp))
    for example, gold in zip(found, golds):
        stored = example.reference.user_data.get("generated")
        assert stored == (tuple(gold) if isinstance(gold, list) else gold)
    assert all("generated" not in eg.predicted.user_data for eg in found)
    optimizer = nlp.initialize(lambda: found)
    assert nlp.update(found, sgd=optimizer)["text_generator"] > 0


def test_texts_of_a_doc_survive_bytes_pickles_and_docbins():
    nlp = spacy.blank("en")
    doc = nlp.make_doc("a text")
    assert doc._.generated == []
    set_generated(doc, [Generated("one", -0.5), Generated("two", -1.5)])
    others = [
        Doc(nlp.vocab).from_bytes(doc.to_bytes()),
        pickle.loads(pickle.dumps(doc)),
        doc.copy(),
        next(iter(DocBin(docs=[doc], store_user_data=True).get_docs(nlp.vocab))),
    ]
    for other in others:
        assert other._.generated == [Generated("one", -0.5), Generated("two", -1.5)]
    doc.user_data["generated"] = "gold"
    assert get_generated(doc) == [Generated("gold", 0.0)]


def test_several_gold_texts_are_learned_in_turn_or_the_first_alone(tiny):
    for train_on, expected in (("random", {"ham", "eggs"}), ("first", {"ham"})):
        nlp = make_writer(tiny, train_on=train_on)
        examples = make_gold_examples(nlp, [("Eat blue ham", ["ham", "eggs"])])
        nlp.initialize(lambda examples=examples: examples)
        writer, _, shim = parts_of(nlp)
        seen = set()
        encode = type(writer).encode_targets

        def note(self, shim, texts, seen=seen, encode=encode):
            seen.update(texts)
            return encode(self, shim, texts)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(writer), "encode_targets", note)
            for _ in range(12):
                nlp.update(examples, sgd=False)
        assert seen == expected


def test_scores_are_those_of_the_libraries(trained):
    sacrebleu, jiwer = pytest.importorskip("sacrebleu"), pytest.importorskip("jiwer")
    nlp = spacy.blank("en")
    written = ["The cat sat on the mat", "a dog", "nothing"]
    golds = [["the cat sat on a mat", "The cat is on the mat"], ["a dog"], ["other words"]]
    examples = make_gold_examples(nlp, list(zip(TEXTS, golds)))
    for example, text in zip(examples, written):
        set_generated(example.predicted, [Generated(text, -1.0), Generated("worse", -2.0)])
    examples += make_gold_examples(nlp, [("not annotated", None)])
    scores = make_text_generator_scorer()(examples)
    lower = [text.lower() for text in written]
    streams = [[g[0] for g in golds], [g[1].lower() if len(g) > 1 else None for g in golds]]
    expected = sacrebleu.corpus_bleu(lower, streams, tokenize="13a", force=True).score / 100
    assert scores["generated_bleu"] == pytest.approx(expected)
    expected = sacrebleu.corpus_chrf(lower, streams).score / 100
    assert scores["generated_chrf"] == pytest.approx(expected)
    assert scores["generated_exact"] == pytest.approx(1 / 3)
    closest = ["the cat sat on a mat", "a dog", "other words"]
    assert scores["generated_wer"] == pytest.approx(jiwer.wer(closest, lower))
    cased = make_text_generator_scorer(["exact"], lowercase=False)
    examples[1].predicted.user_data["generated"] = [["A dog", 0.0]]
    assert cased(examples) == {"generated_exact": 0.0}
    assert make_text_generator_scorer()([])["generated_bleu"] is None


def test_a_long_source_is_read_as_far_as_a_window_goes(trained):
    component = copy.deepcopy(trained).get_pipe("text_generator")
    shim = component.encoder_shim()
    with pytest.warns(UserWarning, match="W720.*longer than it can read"):
        (cut,) = component.generate([LONG])
    room = shim.settings.max_pieces - 16 - 1
    (pieces,) = shim.tokenizer.split([LONG])
    beginning = LONG[: pieces.ends[room - 4]]
    assert component.generate([LONG[: pieces.ends[room - 3]]])[0] == cut
    source = component.writer_shim.writer.read(shim, [trained.make_doc(LONG)], 16)[0]
    assert source.length == room
    assert beginning  # the window holds the text's beginning, between [CLS] and [SEP]
    assert source.content.ids[1:-1].tolist() == pieces.ids[: room - 2].tolist()


def test_two_texts_are_a_source_with_a_separator(trained):
    writer, _, shim = parts_of(trained)
    doc = trained.make_doc("Eat ham [SEP] green eggs")
    (source,) = writer.read(shim, [doc], 16)
    ids = source.content.ids
    sep = shim.tokenizer.tokenizer.sep_token_id
    assert np.flatnonzero(ids == sep).tolist() == [3, 6]
