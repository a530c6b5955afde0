"""A pretrained decoder: equal to transformers' `generate`, frozen, and small when stored."""

import pickle

import numpy as np
import pytest
import spacy
import torch

from spacy_bertfamily.adapters.named import DEFAULT
from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.tasks.generation.beam import write_beams
from spacy_bertfamily.tasks.generation.encoded_sources import encode_sources
from spacy_bertfamily.tasks.generation.search import SearchRules, write_rows
from spacy_bertfamily.tasks.generation.settings import GenerationSettings

from ...util.backbones import make_causal_lm
from ...util.generation import (
    LISTENER,
    PAIRS,
    make_gold_examples,
    make_writer,
    parts_of,
    read_sources,
)

PRETRAINED = "spacy-bertfamily.PretrainedDecoder.v1"
BOTTLENECK = {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 8}
LORA = {
    "@adapters": "spacy-bertfamily.LoRA.v1", "rank": 8, "alpha": 32, "target_modules": "all-linear",
}  # fmt: skip
TEXTS = ["I like green eggs", "ham", "The small dog likes blue ham"]
FROZEN = {"trainable": []}


@pytest.fixture(scope="module")
def causal(tmp_path_factory):
    """Make folders of tiny causal language models, each once."""
    made = {}

    def get(model_type):
        if model_type not in made:
            folder = tmp_path_factory.mktemp(model_type)
            made[model_type] = make_causal_lm(model_type, folder), str(folder)
        return made[model_type]

    return get


def make_pipeline(encoder, decoder, adapter=BOTTLENECK, reads="states", **config):
    block = {"@misc": PRETRAINED, "name": decoder, "adapter": adapter, "reads": reads}
    model = {
        "@architectures": "spacy-bertfamily.EncoderDecoder.v1",
        "tok2vec": LISTENER,
        "decoder": block,
    }
    nlp = make_writer(encoder, FROZEN, model, **config)
    examples = make_gold_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    return nlp, examples, optimizer


def write_ids(nlp, settings):
    """RETURNS (list[list[list[int]]]): The pieces that are written for `TEXTS`."""
    writer, modules, shim = parts_of(nlp)
    sources = read_sources(nlp, TEXTS, settings.max_length)
    state = writer.start(modules, shim, sources, settings.max_length)
    rules = SearchRules.of(settings, writer.end_id(shim), writer.forbidden_ids(shim))
    with torch.inference_mode():
        if settings.num_beams > 1:
            written = write_beams(state, rules, settings)
        else:
            written = write_rows(state, rules, settings, None)
    return [[one.ids for one in of_source] for of_source in written]


def generate(model, nlp, settings, **inputs):
    """RETURNS (list[list[int]]): What transformers writes for one source."""
    writer, _, shim = parts_of(nlp)
    end = writer.end_id(shim)
    found = model.generate(
        **inputs, num_beams=settings.num_beams, max_new_tokens=settings.max_length,
        num_return_sequences=settings.num_beams, do_sample=False, early_stopping=False,
        suppress_tokens=writer.forbidden_ids(shim), eos_token_id=end, pad_token_id=end,
    )  # fmt: skip
    start = inputs["input_ids"].shape[1] if "input_ids" in inputs else 0
    rows = found[:, start:].tolist()
    return [row[: row.index(end)] if end in row else row for row in rows]


@pytest.mark.parametrize("num_beams", [1, 3])
@pytest.mark.parametrize("model_type", ["gpt2", "llama", "qwen2"])
def test_texts_are_continued_as_by_transformers(tiny, causal, model_type, num_beams):
    model, folder = causal(model_type)
    nlp, _, _ = make_pipeline(tiny, folder, adapter=None, reads="text")
    settings = GenerationSettings(max_length=10, num_beams=num_beams, num_return=num_beams)
    found = write_ids(nlp, settings)
    writer, _, shim = parts_of(nlp)
    for row, source in enumerate(read_sources(nlp, TEXTS)):
        ids = np.append(source.content.own_ids, writer.decoder.start_id(shim))
        ids = torch.from_numpy(ids)[None]
        mask = torch.ones_like(ids)
        expected = generate(model, nlp, settings, input_ids=ids, attention_mask=mask)
        assert found[row] == expected


@pytest.mark.parametrize("model_type", ["gpt2", "llama"])
def test_a_soft_prefix_is_continued_as_by_transformers(tiny, causal, model_type):
    model, folder = causal(model_type)
    nlp, _, _ = make_pipeline(tiny, folder, adapter=None)
    settings = GenerationSettings(max_length=10)
    found = write_ids(nlp, settings)
    writer, modules, shim = parts_of(nlp)
    for row, source in enumerate(read_sources(nlp, TEXTS)):
        encoded = encode_sources(shim, [source], False, False)
        with torch.no_grad():
            prefix = modules.norm(modules.project(encoded.states))
            start = modules.embeddings(torch.tensor([[writer.decoder.start_id(shim)]]))
        read = torch.cat([prefix, start], dim=1)
        mask = torch.ones(read.shape[:2]).long()
        expected = generate(model, nlp, settings, inputs_embeds=read, attention_mask=mask)
        assert found[row] == expected


@pytest.mark.parametrize("reads", ["states", "text", "both"])
def test_steps_equal_one_pass_for_all_rows(tiny, causal, reads):
    _, folder = causal("llama")
    nlp, _, _ = make_pipeline(tiny, folder, reads=reads)
    writer, modules, shim = parts_of(nlp)
    sources = read_sources(nlp, TEXTS)
    ids = torch.randint(5, 60, (len(TEXTS), 5))
    ids[:, 0] = writer.decoder.start_id(shim)
    wanted = torch.ones_like(ids, dtype=torch.bool)
    expected = []
    for row, source in enumerate(sources):
        encoded = encode_sources(shim, [source], False, False, writer.decoder.reads_states)
        with torch.no_grad():
            expected.append(modules(encoded, ids[row : row + 1], wanted[row : row + 1])[0])
    expected = torch.stack(expected)
    state = writer.start(modules, shim, sources, 16)
    torch.testing.assert_close(state.advance(None), expected[:, 0], rtol=0, atol=1e-5)
    torch.testing.assert_close(state.advance(ids[:, 1]), expected[:, 1], rtol=0, atol=1e-5)
    rows = torch.tensor([2, 0, 2, 1])
    state.select(rows)
    for step in range(2, 5):
        scores = state.advance(ids[rows, step])
        torch.testing.assert_close(scores, expected[rows, step], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("model_type", "adapter", "reads", "steps"),
    [
        ("llama", LORA, "states", 60),
        pytest.param("gpt2", BOTTLENECK, "states", 120, marks=pytest.mark.slow),
        pytest.param("llama", LORA, "both", 80, marks=pytest.mark.slow),
    ],
    ids=["llama-lora", "gpt2-bottleneck", "both"],
)
def test_pairs_are_learned_with_a_frozen_model(
    tiny, causal, tmp_path, model_type, adapter, reads, steps
):
    _, folder = causal(model_type)
    nlp, examples, optimizer = make_pipeline(tiny, folder, adapter, reads)
    before = {k: v.clone() for k, v in load_backbone(folder).model.state_dict().items()}
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)
    for source, gold in PAIRS:
        written = nlp(source)._.generated[0].text
        assert written.replace("▁", "") == gold  # the tiny tokenizer's files say not how to decode
    for name, tensor in load_backbone(folder).model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    own = nlp.get_pipe("text_generator").writer_shim.own_parameters()
    assert all(name.startswith(("model.adapter.", "project.", "norm.")) for name in own)
    nlp.to_disk(tmp_path)
    again = spacy.load(tmp_path)
    for text in TEXTS:
        assert again(text)._.generated == nlp(text)._.generated


def test_another_decoder_is_refused(tiny, causal, tmp_path):
    _, folder = causal("llama")
    nlp, _, _ = make_pipeline(tiny, folder)
    nlp.to_disk(tmp_path / "nlp")
    make_causal_lm("llama", tmp_path, seed=5)
    overrides = {"components.text_generator.model.decoder.name": str(tmp_path)}
    again = spacy.load(tmp_path / "nlp", config=overrides)
    with pytest.raises(BertFamilyError, match="B764"):
        again("ham")


@pytest.mark.parametrize("reads", ["states", "text", "both"])
def test_sources_leave_room_for_the_target(tiny, causal, reads):
    _, folder = causal("gpt2")
    nlp, _, _ = make_pipeline(tiny, folder, reads=reads)
    text = "I like green eggs and the small dog likes blue ham " * 8
    (source,) = read_sources(nlp, [text])
    assert source.is_cut
    assert source.length == 64 - 16
    with pytest.warns(UserWarning, match="W720"):
        assert len(nlp(text)._.generated) == 1


@pytest.mark.parametrize("text", ["", " ", "[SEP]", "😀", "<|endoftext|> <s> </s>"])
def test_strange_sources_come_through(tiny, causal, text):
    nlp, _, _ = make_pipeline(tiny, causal("gpt2")[1], reads="both")
    assert [len(doc._.generated) for doc in nlp.pipe(["ham", text, "ham"])][::2] == [1, 1]


def test_bad_settings_are_errors(tiny, causal):
    _, folder = causal("gpt2")
    with pytest.raises(BertFamilyError, match="B762.*'bert'.*gemma, gpt2, llama, mistral, qwen2"):
        make_pipeline(tiny, tiny)
    prefix = {"@adapters": "spacy-bertfamily.PrefixTuning.v2"}
    with pytest.raises(BertFamilyError, match="B763.*kind Peft"):
        make_pipeline(tiny, folder, prefix)
    with pytest.raises(BertFamilyError, match="B004.*reads = 'all'"):
        make_pipeline(tiny, folder, reads="all")
    with pytest.raises(BertFamilyError, match="B761.*max_length = 64"):
        make_pipeline(tiny, folder, max_length=64)


def test_the_adapter_alone_is_trained(tiny, causal):
    nlp, examples, _ = make_pipeline(tiny, causal("llama")[1])
    nlp.update(examples, sgd=False)
    _, modules, _ = parts_of(nlp)
    trained = {name for name, p in modules.named_parameters() if p.grad is not None}
    assert trained == set(nlp.get_pipe("text_generator").writer_shim.own_parameters())
    assert modules.model.active == DEFAULT


def test_a_pickled_writer_is_the_same(tiny, causal):
    nlp, _, _ = make_pipeline(tiny, causal("llama")[1], LORA)
    shim = nlp.get_pipe("text_generator").writer_shim
    again = pickle.loads(pickle.dumps(shim))
    assert again.writer == shim.writer
    assert again.to_bytes() == shim.to_bytes()
