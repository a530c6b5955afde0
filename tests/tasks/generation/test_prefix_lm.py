"""What a prefix-LM sees, and its keys and values, against passes without a cache."""

import numpy as np
import pytest
import spacy
import torch
from transformers import BertModel

from spacy_bertfamily.encoder.seen import SeenPieces
from spacy_bertfamily.errors import BertFamilyError
from spacy_bertfamily.model_types.table import SPECS
from spacy_bertfamily.windows.padding import pad_windows

from ...util.adapters import KINDS, needs_peft
from ...util.backbones import MODEL_TYPES
from ...util.generation import (
    PAIRS,
    make_gold_examples,
    make_writer,
    parts_of,
    read_sources,
    uncached_logits,
    whole_window,
)

WRITING = [name for name in MODEL_TYPES if SPECS[name].why_not("prefix") is None]
TEXTS = [source for source, _ in PAIRS]


def states_of(nlp, window):
    """RETURNS (torch.Tensor): The last hidden states of a window, `(pieces, width)`."""
    _, _, shim = parts_of(nlp)
    depth = shim.encoder.depth
    (batch,) = shim.schedule.run([window], [depth], is_train=False, cache=False)
    return batch.states[depth][0, : len(window)]


def initialized(backbone, **transformer):
    nlp = make_writer(backbone, transformer)
    examples = make_gold_examples(nlp)
    nlp.initialize(lambda: examples)
    return nlp


@pytest.mark.parametrize("model_type", WRITING)
@pytest.mark.filterwarnings("ignore:.*W403")
def test_no_piece_sees_what_it_must_not(backbones, model_type):
    nlp = initialized(backbones(model_type))
    writer, _, shim = parts_of(nlp)
    pieces = writer.pieces_of(shim)
    (source,) = read_sources(nlp, TEXTS[:1])
    n = len(source.content)
    windows = [whole_window(pieces, source.content, [9, 8, other, 7]) for other in (10, 11)]
    first, second = (states_of(nlp, window) for window in windows)
    assert torch.equal(first[: n + 2], second[: n + 2])  # exactly 0.0 apart
    assert (first[n + 2 :] - second[n + 2 :]).abs().amin(1).max() > 0
    # The source is read as the plain encoder reads it. ELECTRA adds up in another order, so in 32
    # bits it is 1.4e-6 apart.
    shim.encoder.double()
    first = states_of(nlp, windows[0])
    ids, types = (torch.as_tensor(x)[None] for x in (source.content.ids, source.content.types))
    with torch.inference_mode():
        plain = shim.encoder(ids, torch.ones_like(ids), types, [shim.encoder.depth])
    torch.testing.assert_close(first[:n], plain[shim.encoder.depth][0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("model_type", WRITING)
@pytest.mark.filterwarnings("ignore:.*W403")
def test_cached_scores_are_those_of_whole_windows(backbones, model_type):
    nlp = initialized(backbones(model_type))
    writer, head, shim = parts_of(nlp)
    sources = read_sources(nlp, TEXTS)
    written = np.array([[9, 8, 10, 7], [11, 9, 9, 12], [7, 7, 13, 8]])
    state = writer.start(head, shim, sources, 16)
    for step in range(5):
        logits = state.advance(torch.from_numpy(written[:, step - 1]) if step else None)
        for row, source in enumerate(sources):
            expected = uncached_logits(nlp, source, written[row, :step])
            torch.testing.assert_close(logits[row], expected, rtol=0, atol=1e-5)


def test_rows_can_be_dropped_copied_and_reordered(make):
    nlp = make()
    writer, head, shim = parts_of(nlp)
    sources = read_sources(nlp, TEXTS)
    state = writer.start(head, shim, sources, 16)
    state.advance(None)
    state.advance(torch.tensor([9, 10, 11]))
    state.select(torch.tensor([2, 0, 2]))
    assert state.rows == 3
    logits = state.advance(torch.tensor([7, 8, 9]))
    state.select(torch.tensor([2, 1, 0]))  # rows of the same sources change places
    last = state.advance(torch.tensor([10, 10, 10]))
    for row, (source, written) in enumerate([(2, [11, 7]), (0, [9, 8]), (2, [11, 9])]):
        expected = uncached_logits(nlp, sources[source], written)
        torch.testing.assert_close(logits[row], expected, rtol=0, atol=1e-5)
    for row, (source, written) in enumerate([(2, [11, 9]), (0, [9, 8]), (2, [11, 7])]):
        expected = uncached_logits(nlp, sources[source], [*written, 10])
        torch.testing.assert_close(last[row], expected, rtol=0, atol=1e-5)


@needs_peft
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:.*W403")
def test_adapters_keep_to_the_mask_or_are_refused(tiny, kind):
    block, _ = KINDS[kind]
    nlp = make_writer(tiny, {"trainable": ["adapter"], "adapter": block, "max_pieces": 56})
    examples = make_gold_examples(nlp)
    shim = nlp.get_pipe("transformer").shim
    if not shim.settings.adapter.reads_single_pieces:
        with pytest.raises(BertFamilyError, match="B723.*reads other pieces by itself"):
            nlp.initialize(lambda: examples)
        return
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.05
    for _ in range(2):
        nlp.update(examples, sgd=optimizer)
    writer, head, shim = parts_of(nlp)
    (source,) = read_sources(nlp, TEXTS[:1])
    pieces, n = writer.pieces_of(shim), len(source.content)
    first, second = (
        states_of(nlp, whole_window(pieces, source.content, [9, 8, other])) for other in (10, 11)
    )
    assert torch.equal(first[: n + 2], second[: n + 2])
    state = writer.start(head, shim, [source], 16)
    state.advance(None)
    logits = state.advance(torch.tensor([9]))[0]
    torch.testing.assert_close(logits, uncached_logits(nlp, source, [9]), rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*W403")
def test_the_mask_is_what_transformers_makes_of_three_dimensions(tiny, make):
    nlp = make()
    writer, _, shim = parts_of(nlp)
    sources = read_sources(nlp, TEXTS)
    masked = writer.mask(shim, sources, [np.array([9, 8, 10]), np.array([7]), np.array([8, 9])])
    padded = pad_windows([one.window for one in masked], 0)
    ids, types, visible, positions = (
        torch.from_numpy(x) for x in (padded.ids, padded.types, padded.visible, padded.positions)
    )
    model = BertModel.from_pretrained(tiny, attn_implementation="eager").eval()
    depth = shim.encoder.depth
    with torch.inference_mode():
        ours = shim.encoder(
            ids, torch.ones_like(ids), types, [depth], seen=SeenPieces(visible, positions)
        )[depth]
        scores = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
        is_new = hasattr(model, "_create_attention_masks")  # transformers 5 takes four dimensions
        mask = scores[:, None] if is_new else visible.long()
        theirs = model(ids, mask, types, position_ids=positions).last_hidden_state
    real = torch.from_numpy(padded.mask).bool()
    torch.testing.assert_close(ours[real], theirs[real], rtol=0, atol=1e-5)


def test_each_piece_and_the_closing_one_is_predicted_as_in_decoding(make):
    nlp = make()
    writer, head, shim = parts_of(nlp)
    (source,) = read_sources(nlp, TEXTS[:1])
    target = np.array([9, 8, 10])
    (masked,) = writer.mask(shim, [source], [target])
    assert masked.labels.tolist() == [9, 8, 10, writer.end_id(shim)]
    states = states_of(nlp, masked.window)[masked.positions]
    with torch.inference_mode():
        logits = head(states)
    for i in range(4):
        expected = uncached_logits(nlp, source, target[:i])
        torch.testing.assert_close(logits[i], expected, rtol=0, atol=1e-5)


def test_a_share_of_the_target_is_masked_the_closing_piece_too(make):
    nlp = make(model={"predict": "sampled"})
    writer, _, shim = parts_of(nlp)
    (source,) = read_sources(nlp, TEXTS[:1])
    n, target = len(source.content), np.array([9, 8, 10, 7])
    counts, ends = [], 0
    for _ in range(400):
        (masked,) = writer.mask(shim, [source], [target])
        read, labels = masked.window.ids[n:], np.append(target, writer.end_id(shim))
        is_mask = read == writer.pieces_of(shim).mask_id
        assert is_mask.any()
        assert (masked.positions == n + np.flatnonzero(is_mask)).all()
        assert (masked.labels == labels[is_mask]).all()
        assert (read[~is_mask] == labels[~is_mask]).all()
        counts.append(is_mask.mean())
        ends += is_mask[-1]
    assert np.mean(counts) == pytest.approx(0.7, abs=0.03)
    assert ends / 400 == pytest.approx(0.7, abs=0.07)


def test_layers_that_are_computed_again_see_the_same(tiny):
    found = []
    for checkpointing in (False, True):
        spacy.util.fix_random_seed(0)
        nlp = make_writer(tiny, {"trainable": ["top:2"], "gradient_checkpointing": checkpointing})
        examples = make_gold_examples(nlp)
        nlp.initialize(lambda examples=examples: examples)
        encoder = nlp.get_pipe("transformer").shim.encoder
        encoder._thawed = []  # no dropout
        nlp.update(examples, sgd=False)
        gradients = {n: p.grad for n, p in encoder.named_parameters() if p.grad is not None}
        found.append(gradients)
    assert found[0].keys() == found[1].keys() != set()
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-4, atol=1e-6)
