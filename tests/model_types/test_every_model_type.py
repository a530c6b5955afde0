"""What must hold for each row of the table of model types, with tiny random weights."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from transformers import AutoTokenizer, BertTokenizerFast, PreTrainedTokenizerFast

from spacy_bertfamily.adapters import PAL, Bottleneck, Peft
from spacy_bertfamily.model_types.table import SPECS
from spacy_bertfamily.patching.landmark_mask import LandmarkMask

from ..util.adapters import needs_peft
from ..util.backbones import KNOWN_TYPES, MODEL_TYPES, make_model
from ..util.encoders import TEXTS, encode, make_encoder, token_vectors

PLACEMENTS = ("houlsby", "pfeiffer", "parallel")
SHORT = [text for text in TEXTS if len(text) < 60]
every_type = pytest.mark.parametrize("model_type", MODEL_TYPES)
BLANK = spacy.blank("en")


def docs_of(texts):
    return [BLANK.make_doc(text) for text in texts]


def adapters(model_type, init_scale):
    """YIELDS (Adapter): One adapter of each kind that the model type supports."""
    spec = SPECS[model_type]
    for placement in PLACEMENTS:
        if spec.why_not(placement) is None:
            yield Bottleneck(size=4, init_scale=init_scale, placement=placement)
    if spec.why_not("pal") is None:
        yield PAL(size=8, heads=2, init_scale=init_scale, inner_init_scale=init_scale or 0.1)


def reference_tokenizer(model_type, folder):
    """Make transformers' own tokenizer of a folder.

    The classes of transformers 5 would make most of it anew, instead of reading tokenizer.json.
    """
    tokenizer_class = BertTokenizerFast if model_type == "albert" else AutoTokenizer
    tokenizer = tokenizer_class.from_pretrained(folder)
    path = Path(folder) / "tokenizer.json"
    if not hasattr(tokenizer, "convert_to_native_format") or not path.is_file():
        return tokenizer
    names = {k: v for k, v in tokenizer.special_tokens_map.items() if isinstance(v, str)}
    side = tokenizer.padding_side
    names["model_input_names"] = tokenizer.model_input_names
    return PreTrainedTokenizerFast(tokenizer_file=str(path), padding_side=side, **names)


def reference_inputs(model_type, folder, *texts):
    """RETURNS (BatchEncoding): A text or a pair, prepared as the model's own documentation says."""
    tokenizer = reference_tokenizer(model_type, folder)
    shortest = {"nystromformer": 64, "funnel": 5}.get(model_type)  # the shortest input of the model
    fixed = {"padding": "max_length", "max_length": shortest} if shortest else {}
    if model_type in ("funnel", "nystromformer", "roc_bert", "xlnet"):  # not all versions do it
        fixed["return_token_type_ids"] = True
    inputs = tokenizer(*texts, return_tensors="pt", **fixed)
    if model_type == "longformer":  # global attention on the first piece or the question
        places = torch.arange(inputs["input_ids"].shape[1])
        end = (
            inputs["input_ids"][0].tolist().index(tokenizer.sep_token_id) if len(texts) == 2 else 1
        )
        inputs["global_attention_mask"] = (places < end).long()[None]
    return inputs


def reference_states(model_type, inputs):
    model = make_model(model_type)
    model = model.get_encoder() if SPECS[model_type].encoder_path else model
    torch.manual_seed(0)  # Reformer uses random numbers
    known = inspect.signature(model.forward).parameters
    # without it, transformers 5 fails on Nyströmformer's padding; it does nothing in transformers 4
    with torch.no_grad(), LandmarkMask():
        return model(
            **{name: value for name, value in inputs.items() if name in known},
            output_hidden_states=True,
        )


def test_every_row_of_the_table_is_tested():
    assert sorted(KNOWN_TYPES) == sorted(SPECS)


@every_type
def test_identity_adapters_change_nothing(backbones, model_type):
    """With adapters at their no-op, hidden states equal the bare model's to 1e-5."""
    folder = backbones(model_type)
    mixes = SPECS[model_type].why_not("mix") is None
    references = [reference_inputs(model_type, folder, text) for text in SHORT]
    expected = [reference_states(model_type, inputs) for inputs in references]
    for adapter in [None, *adapters(model_type, 0.0)]:
        encoder, tokenizer = make_encoder(folder, adapter=adapter)
        layers = range(encoder.depth + 1) if mixes else []
        data, _ = encode(encoder, tokenizer, docs_of(SHORT), layers, is_train=False)
        for inputs, reference, found in zip(references, expected, data):
            ids = inputs["input_ids"][inputs["attention_mask"] > 0].tolist()
            assert found.wordpieces.input_ids.tolist() == [ids]
            # some models return the last one without the final normalization
            for layer in layers[:-1]:
                ours = found.model_output.hidden_states[layer]
                np.testing.assert_allclose(
                    ours, reference.hidden_states[layer][:, : len(ids)], atol=1e-5
                )
            np.testing.assert_allclose(
                found.model_output.last_hidden_state, reference[0][:, : len(ids)], atol=1e-5
            )


@every_type
def test_pairs_equal_those_of_the_tokenizer(backbones, model_type):
    """Compare ids, token types and hidden states with `tokenizer(a, b)`."""
    folder, (first, second) = backbones(model_type), ("who wrote it ?", "ann wrote it in 1920")
    encoder, tokenizer = make_encoder(folder, adapter=None)
    (data,), _ = encode(encoder, tokenizer, docs_of([f"{first} [SEP] {second}"]), [], False)
    inputs = reference_inputs(model_type, folder, first, second)
    length = int(inputs["attention_mask"].sum())
    assert data.wordpieces.input_ids.tolist() == inputs["input_ids"][:, :length].tolist()
    if encoder.inputs.token_types and "token_type_ids" in inputs:
        assert (
            data.wordpieces.token_type_ids.tolist() == inputs["token_type_ids"][:, :length].tolist()
        )
    expected = reference_states(model_type, inputs)[0][:, :length]
    np.testing.assert_allclose(data.model_output.last_hidden_state, expected, atol=1e-5)


@every_type
def test_adapters_change_every_layer(backbones, model_type):
    """Adapters with weights change the hidden states, so the tests above can fail."""
    docs, mixes = docs_of(["I like green eggs"]), SPECS[model_type].why_not("mix") is None
    bare, tokenizer = make_encoder(backbones(model_type), adapter=None)
    layers = range(1, bare.depth + 1) if mixes else []

    def states(encoder):
        output = encode(encoder, tokenizer, docs, layers, False)[0][0].model_output
        return [output.hidden_states[layer] for layer in layers] or [output.last_hidden_state]

    before = states(bare)
    for adapter in adapters(model_type, 0.5):
        after = states(make_encoder(backbones(model_type), adapter=adapter)[0])
        assert all(np.abs(a - b).max() > 1e-3 for a, b in zip(after, before)), adapter


@every_type
def test_vectors_do_not_depend_on_the_batch(backbones, model_type):
    """Compare single Docs with a batch, to 1e-4 in float32."""
    adapter = next(adapters(model_type, 0.5), None)
    encoder, tokenizer = make_encoder(backbones(model_type), adapter=adapter)
    docs = docs_of(TEXTS)
    together, _ = encode(encoder, tokenizer, docs, [], False)
    for doc, expected in zip(docs, together):
        alone = encode(encoder, tokenizer, [doc], [], False)[0][0]
        np.testing.assert_allclose(token_vectors(alone), token_vectors(expected), atol=1e-4)


@every_type
def test_gradients_reach_every_adapter_and_nothing_else(backbones, model_type):
    docs = docs_of(TEXTS)
    for adapter in adapters(model_type, 0.5):
        encoder, tokenizer = make_encoder(backbones(model_type), adapter=adapter)
        data, backprop = encode(encoder, tokenizer, docs, [], True)
        rng = np.random.default_rng(0)
        shapes = [d.model_output.last_hidden_state.shape for d in data]
        backprop([{encoder.depth: rng.normal(size=shape).astype("f")} for shape in shapes])
        for name, parameter in encoder.named_parameters():
            assert (parameter.grad is not None) == name.startswith("adapter."), name
            assert parameter.grad is None or parameter.grad.abs().sum() > 0, name


@every_type
def test_alignment_covers_every_character(backbones, model_type):
    """Every token but whitespace has pieces, which cover all of its characters."""
    encoder, tokenizer = make_encoder(backbones(model_type), adapter=None)
    texts = [*TEXTS, "Ünable  DOGS,eggs?", "你好世界 ann", "zzz \u2603\u2603 eat"]
    for doc, pieces in zip(docs_of(texts), tokenizer(docs_of(texts), None)):
        covered = np.zeros(len(doc.text), dtype=bool)
        for start, end in zip(pieces.starts, pieces.ends):
            covered[start:end] = True
        assert all(covered[i] for i, char in enumerate(doc.text) if not char.isspace())
        data = encode(encoder, tokenizer, [doc], [], False)[0][0]
        assert all(n > 0 for n, token in zip(data.align.lengths, doc) if not token.is_space)


@every_type
def test_features_that_the_table_excludes_are_refused(backbones, model_type):
    settings = {"placement": PLACEMENTS, "kind": ("pal", "train", "peft")}
    spec = SPECS[model_type]
    kinds = {
        "pal": PAL(size=8, heads=2),
        **{p: Bottleneck(size=4, placement=p) for p in settings["placement"]},
    }
    for feature, adapter in kinds.items():
        if spec.why_not(feature) is not None:
            with pytest.raises(ValueError, match=rf"B012.*{model_type!r}"):
                make_encoder(backbones(model_type), adapter=adapter)
    if spec.why_not("train") is not None:
        with pytest.raises(ValueError, match=rf"B012.*{model_type!r}"):
            make_encoder(backbones(model_type), adapter=None, trainable=("all",))
    if spec.why_not("prefix") is not None:
        encoder, _ = make_encoder(backbones(model_type), adapter=None)
        with pytest.raises(ValueError, match=rf"B012.*{model_type!r}.*prefix-LMs"):
            encoder.allow_seen_pieces()


@needs_peft
@every_type
def test_lora_starts_as_a_no_op_and_gets_gradients(backbones, model_type):
    from peft.tuners.lora import layer

    # the dense layers of squeezebert are convolutions
    targets = ["query", "value"] if model_type == "squeezebert" else "all-linear"
    lora = Peft("LORA", {"r": 2, "target_modules": targets})
    if SPECS[model_type].why_not("peft") is not None:
        with pytest.raises(ValueError, match=rf"B012.*{model_type!r}"):
            make_encoder(backbones(model_type), adapter=lora)
        return
    if model_type == "squeezebert" and not hasattr(layer, "Conv1d"):  # old versions of peft
        with pytest.raises(ValueError, match=r"B071.*Conv1d"):
            make_encoder(backbones(model_type), adapter=lora)
        return
    docs = docs_of(SHORT)
    bare, tokenizer = make_encoder(backbones(model_type), adapter=None)
    encoder, _ = make_encoder(backbones(model_type), adapter=lora)
    before, _ = encode(bare, tokenizer, docs, [], False)
    data, backprop = encode(encoder, tokenizer, docs, [], True)
    backprop([{encoder.depth: np.ones(d.model_output.last_hidden_state.shape, "f")} for d in data])
    for ours, plain in zip(data, before):
        np.testing.assert_allclose(
            ours.model_output.last_hidden_state, plain.model_output.last_hidden_state, atol=1e-5
        )
    gradients = [
        p.grad
        for name, p in encoder.named_parameters()
        if name.startswith("adapter.") and "lora_B" in name
    ]
    assert gradients
    assert any(g is not None and g.abs().sum() > 0 for g in gradients)


def test_a_doc_without_pieces_has_a_window(backbones):
    """Both texts of a pair may be empty, also without special pieces."""
    for model_type in ("bert", "gpt2", "reformer", "t5"):
        encoder, tokenizer = make_encoder(backbones(model_type), adapter=None)
        doc = Doc(BLANK.vocab, words=["[SEP]"])
        data = encode(encoder, tokenizer, [doc], [], False)[0][0]
        assert data.align.lengths.tolist() == [0]
        assert np.isfinite(data.model_output.last_hidden_state).all()


def test_adapters_of_albert_are_shared_or_separate_by_depth(backbones):
    """Its layers are one module, which is called once for each depth."""
    docs, settings = docs_of(SHORT), {"size": 4, "init_scale": 0.5}
    shared, tokenizer = make_encoder(backbones("albert"), adapter=Bottleneck(**settings))
    own, _ = make_encoder(backbones("albert"), adapter=Bottleneck(**settings, per_depth=True))
    assert list(shared.active_modules.layers) == ["0"]
    assert list(own.active_modules.layers) == ["0", "1", "2"]
    for modules in own.active_modules.layers.values():
        modules.load_state_dict(shared.active_modules.layers["0"].state_dict())

    def states(encoder):
        return encode(encoder, tokenizer, docs, [1, 2], False)[0][0].model_output.hidden_states

    before = states(own)
    for ours, expected in zip(before[1:], states(shared)[1:]):
        np.testing.assert_allclose(ours, expected, atol=1e-5)
    own.active_modules.layers["1"].apply(
        lambda module: [p.data.zero_() for p in module.parameters()]
    )
    after = states(own)
    assert np.array_equal(before[1], after[1])
    assert not np.allclose(before[2], after[2], atol=1e-3)


def test_albert_can_have_adapters_in_one_layer_only(backbones):
    encoder, tokenizer = make_encoder(
        backbones("albert"), adapter=Bottleneck(size=4, per_depth=True, layers=(2,))
    )
    docs = docs_of(SHORT)
    data, backprop = encode(encoder, tokenizer, docs, [], True)
    backprop([{encoder.depth: np.ones(d.model_output.last_hidden_state.shape, "f")} for d in data])
    names = [
        name
        for name, p in encoder.named_parameters()
        if p.grad is not None and p.grad.abs().sum() > 0
    ]
    assert names
    assert all(name.startswith("adapter.layers.2.") for name in names)
