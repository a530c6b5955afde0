"""With `separate_layers`, the lowest layers read each of two texts by itself, and only once."""

import gc
from dataclasses import replace

import numpy as np
import pytest
import spacy
import torch

from spacy_bertfamily.encoder.schedule import EncoderSchedule
from spacy_bertfamily.encoder.segments import SegmentReader
from spacy_bertfamily.model_types.table import SPECS, known_spec
from spacy_bertfamily.windows.cut import Window
from spacy_bertfamily.windows.pieces import pair_pieces

from ..util.adapters import block
from ..util.backbones import MODEL_TYPES
from ..util.encoders import make_encoder
from ..util.pipelines import add_transformer

QUESTIONS = ["Who wrote it?", "eat", "the small dog likes eggs", ""]
CONTEXT = "I like green eggs and blue ham in 1920"
LONG = "the small dog likes unable eggs " * 12
QUICK = ("bert", "roberta", "deberta-v2", "mpnet")
ABLE = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
    for name in MODEL_TYPES
    if SPECS[name].why_not("separate") is None
]


def make_schedule(name, n, **changes):
    gc.collect()  # encoders of other tests would share states
    encoder, tokenizer = make_encoder(
        name, adapter=None, **{"max_pieces": 60, "separate_layers": n, **changes}
    )
    return EncoderSchedule(encoder, tokenizer)


def windows_of(schedule, *pairs):
    """RETURNS (list[Window]): The windows of pairs of texts, or of single texts."""
    windows = []
    for texts in pairs:
        pieces = schedule.tokenizer.split(list(texts))
        text = schedule.lay_out(pieces[0] if len(pieces) == 1 else pair_pieces(*pieces))
        windows += text.windows
    return windows


def states_of(schedule, windows, layers=None, **settings):
    """RETURNS (list[dict[int, np.ndarray]]): The states of each window, `(pieces, width)`."""
    depth = schedule.encoder.depth
    layers = range(depth + 1) if layers is None else layers
    found = [None] * len(windows)
    for batch in schedule.run(windows, layers, is_train=False, **settings):
        for place, row in enumerate(batch.rows):
            length = batch.lengths[place]
            found[row] = {j: batch.states[j][place, :length].cpu().numpy() for j in layers}
    return found


def assert_close(first, second, atol=1e-5):
    assert first.keys() == second.keys()
    for j, state in first.items():
        np.testing.assert_allclose(state, second[j], atol=atol, rtol=1e-4, err_msg=str(j))


def reference(schedule, window, n):
    """Run BERT's own layers in a loop, the lowest with a mask of blocks."""
    model = schedule.encoder.shared.model
    first, _ = schedule.segments_of(window)
    length, border = len(window), len(first)
    is_first = torch.arange(length) < border
    start = max(border, min(-(-border // 15) * 15, 60 - (length - border)))
    behind = torch.arange(start, start + length - border)
    positions = torch.cat([torch.arange(border), behind])[None]
    same = is_first[:, None] == is_first[None]
    mask = torch.zeros(1, 1, length, length).masked_fill(~same, -1e9)
    ids, types = torch.tensor(window.ids)[None], torch.tensor(window.types)[None]
    states = []
    with torch.no_grad():
        state = model.embeddings(ids, token_type_ids=types, position_ids=positions)
        states.append(state)
        for depth, layer in enumerate(model.encoder.layer):
            output = layer(state, attention_mask=mask if depth < n else torch.zeros_like(mask))
            state = output if isinstance(output, torch.Tensor) else output[0]
            states.append(state)
    return {j: state[0].numpy() for j, state in enumerate(states)}


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("cache_mb", [0, 64])
def test_states_equal_a_plain_loop_with_a_mask_of_blocks(backbones, n, cache_mb):
    schedule = make_schedule(backbones("bert"), n, cache_mb=cache_mb)
    windows = windows_of(schedule, *[(question, CONTEXT) for question in QUESTIONS], (LONG, "eat"))
    assert len(windows) > len(QUESTIONS) + 1  # the long text has several
    expected = [reference(schedule, window, n) for window in windows]
    for _ in range(2):  # computed, then looked up
        for window, states in zip(expected, states_of(schedule, windows)):
            assert_close(window, states)
    differs = states_of(make_schedule(backbones("bert"), 0), windows[:1])
    assert not np.allclose(differs[0][n], expected[0][n], atol=1e-3)


@pytest.mark.parametrize("model_type", ABLE)
def test_a_text_has_the_same_states_whatever_it_is_read_with(backbones, model_type):
    n = 2
    schedule = make_schedule(backbones(model_type), n, cache_mb=0)
    pairs = [*((question, CONTEXT) for question in QUESTIONS), ("eat", "eat"), (CONTEXT,)]
    windows = windows_of(schedule, *pairs)
    together = states_of(schedule, windows)
    contexts = []
    for window, states in zip(windows, together):
        (alone,) = states_of(schedule, [window])
        assert_close(alone, states, 1e-4)
        parts = schedule.segments_of(window)
        place = 0
        for part, state in zip(parts, schedule.read_segments(parts)):
            kept = states[n][place : place + len(part)]
            np.testing.assert_allclose(state.numpy(), kept, atol=1e-5, rtol=1e-4)
            place += len(part)
        if len(parts) == 2 and len(parts[1]) == len(schedule.segments_of(windows[0])[1]):
            contexts.append(states[n][-len(parts[1]) :])
    assert len(contexts) == len(QUESTIONS)
    for context in contexts:
        np.testing.assert_allclose(context, contexts[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("n", [1, 2])
def test_single_texts_are_unchanged(backbones, n):
    plain = make_schedule(backbones("bert"), 0)
    windows = windows_of(plain, (CONTEXT,), (LONG,), ("",))
    expected = states_of(plain, windows)
    for window, states in zip(expected, states_of(make_schedule(backbones("bert"), n), windows)):
        assert all(np.array_equal(window[j], states[j]) for j in window)


def count_rows(schedule):
    """RETURNS (list[int]): Gets the number of windows at each call of the lowest layer."""
    rows = []
    layer = known_spec("bert").find_layers(schedule.encoder.backbone)[0]
    layer.attention.register_forward_hook(lambda *args: rows.append(len(args[2][0])))
    return rows


def test_a_text_is_read_once(backbones):
    schedule = make_schedule(backbones("bert"), 2)
    windows = windows_of(schedule, *[(question, CONTEXT) for question in QUESTIONS])
    schedule.segments.plan(is_train=False)  # probes
    rows = count_rows(schedule)
    states_of(schedule, windows)
    assert sum(rows) == len(QUESTIONS) + 1
    states_of(schedule, windows)
    assert sum(rows) == len(QUESTIONS) + 1
    other = make_schedule(backbones("bert"), 2)  # another encoder on the same backbone
    other.segments.plan(is_train=False)
    del rows[:]
    states_of(other, windows)
    assert not rows


def test_questions_are_not_padded_to_the_length_of_the_context(backbones):
    schedule = make_schedule(backbones("bert"), 2, cache_mb=0)
    lengths = [31, 5, 6, 7, 30]
    batches = [sorted(rows) for rows in schedule.segments._pack(lengths)]
    assert sorted(batches) == [[0, 4], [1, 2, 3]]


def test_the_cache_is_bounded(backbones):
    schedule = make_schedule(backbones("bert"), 2)
    cache = schedule.segments.plan(is_train=False).cache
    cache.max_bytes = 40 * 32 * 4  # 40 pieces
    windows = windows_of(schedule, *[(question, CONTEXT) for question in QUESTIONS])
    expected = states_of(make_schedule(backbones("bert"), 2, cache_mb=0), windows)
    for states, window in zip(states_of(schedule, windows), expected):
        assert_close(states, window)
    assert 0 < cache.n_bytes <= cache.max_bytes


def test_kept_states_are_used(backbones):
    """What an index keeps on disk is looked up first."""
    schedule = make_schedule(backbones("bert"), 2, cache_mb=0)
    (window,) = windows_of(schedule, (QUESTIONS[0], CONTEXT))
    _, context = schedule.segments_of(window)
    (state,) = schedule.read_segments([context])
    asked = []

    class Kept:
        def get(self, segment, layers):
            is_context = np.array_equal(segment.ids, context.ids)
            asked.append((is_context, tuple(layers)))
            return {2: factor * state} if is_context else None

    factor = 1.0
    (same,) = states_of(schedule, [window], [3], kept=Kept())
    assert_close(same, states_of(schedule, [window], [3])[0])
    assert sorted(asked) == [(False, (2,)), (True, (2,))]
    factor = 2.0
    (other,) = states_of(schedule, [window], [3], kept=Kept())
    assert not np.allclose(other[3], same[3], atol=1e-3)


def test_changed_weights_are_never_answered_from_the_cache(backbones):
    """An encoder whose lowest layers differ from the backbone has a cache of its own."""
    schedule = make_schedule(backbones("bert"), 2, trainable=("all",))
    windows = windows_of(schedule, (QUESTIONS[0], CONTEXT))
    (before,) = states_of(schedule, windows)
    encoder = schedule.encoder
    with torch.no_grad():
        encoder.backbone.encoder.layer[0].output.dense.weight.mul_(1.5)
    encoder.updates += 1
    (after,) = states_of(schedule, windows)
    assert not np.allclose(after[2], before[2], atol=1e-3)
    fresh = make_schedule(backbones("bert"), 2, trainable=("all",), cache_mb=0)
    fresh.encoder.load_state_dict(encoder.state_dict())
    assert_close(after, states_of(fresh, windows)[0])
    # the bare backbone's states are still its own
    bare = make_schedule(backbones("bert"), 2)
    assert_close(states_of(bare, windows)[0], before)


def test_another_number_of_layers_is_not_answered_from_the_cache(backbones):
    two, one = make_schedule(backbones("bert"), 2), make_schedule(backbones("bert"), 1)
    windows = windows_of(two, (QUESTIONS[0], CONTEXT))
    for schedule, n in ((two, 2), (one, 1), (two, 2)):
        assert_close(states_of(schedule, windows)[0], reference(schedule, windows[0], n))


@pytest.mark.parametrize("trainable", [("top:1",), ("all",)])
def test_gradients_are_those_without_the_cache(backbones, trainable):
    found = []
    for cache_mb in (0, 64):
        schedule = make_schedule(backbones("bert"), 1, trainable=trainable, cache_mb=cache_mb)
        windows = windows_of(schedule, *[(question, CONTEXT) for question in QUESTIONS])
        for _ in range(2):  # two epochs
            schedule.encoder.zero_grad()
            torch.manual_seed(0)  # dropout draws the same, whatever is kept
            for batch in schedule.run(windows, [3], is_train=True):
                pieces = [batch.states[3][i, :length] for i, length in enumerate(batch.lengths)]
                torch.cat(pieces).pow(3).sum().backward()
        gradients = {
            name: p.grad for name, p in schedule.encoder.named_parameters() if p.grad is not None
        }
        lowest = any("layer.0." in name for name in gradients)
        assert lowest == (trainable == ("all",))
        found.append(gradients)
    plain, cached = found
    assert plain
    assert plain.keys() == cached.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(cached[name], gradient, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize("length", [0, 1, 13, 14, 15, 40, 200])
def test_long_questions_take_more_steps(backbones, length):
    """No place is outside of the window, and all pieces are read."""
    schedule = make_schedule(backbones("bert"), 2)
    windows = windows_of(schedule, (" ".join(["eat"] * length), LONG))
    for window in windows:
        places = schedule.segments.rooms.place(window)
        assert len(window) <= 60
        assert places[0] == 0
        assert places[-1] < 60
        assert (np.diff(places) >= 1).all()
    n_pieces = max(window.pieces.max() for window in windows) + 1
    assert set(np.concatenate([w.pieces for w in windows])) == {-1, *range(n_pieces)}
    assert all(np.isfinite(states[3]).all() for states in states_of(schedule, windows, [3]))


def test_contexts_are_cut_alike_for_all_questions_of_a_room(backbones):
    schedule = make_schedule(backbones("bert"), 2)
    cuts = []
    for question in QUESTIONS:
        windows = windows_of(schedule, (question, LONG))
        segments = [schedule.segments_of(window)[1] for window in windows]
        cuts.append([(tuple(s.ids), tuple(s.positions)) for s in segments])
    assert len(cuts[0]) > 1
    assert all(cut == cuts[0] for cut in cuts)


def test_windows_that_say_what_they_see_are_read_as_ever(backbones):
    schedule = make_schedule(backbones("bert"), 2)
    (window,) = windows_of(schedule, (QUESTIONS[0], CONTEXT))
    visible = np.ones((len(window), len(window)), dtype=bool)
    assert isinstance(window, Window)
    assert len(schedule.segments_of(replace(window, visible=visible))) == 1


def initialize(name, **model):
    nlp = spacy.blank("en")
    add_transformer(nlp, name, **model)
    nlp.initialize()
    return nlp


def adapter(*layers):
    return {**block("pfeiffer"), "layers": list(layers)}


@pytest.mark.parametrize(
    ("n", "settings", "code"),
    [
        (-1, {}, "B004"),
        (3, {}, "B800"),
        (2, {"trainable": ["top:2"]}, "B802"),
        (1, {"trainable": ["embeddings"]}, "B802"),
        (1, {"trainable": ["layer_norm"]}, "B802"),
        (2, {"trainable": ["adapter"], "adapter": adapter(1)}, "B802"),
        (1, {"runtime": "openvino"}, "B803"),
    ],
)
def test_settings_that_do_not_fit_are_errors_before_training(tiny, n, settings, code):
    settings = {"trainable": [], "adapter": None, **settings}
    with pytest.raises(ValueError, match=code):
        initialize(tiny, separate_layers=n, **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"trainable": ["top:1"], "adapter": None},
        {"trainable": ["adapter"], "adapter": adapter(2)},
        {"trainable": ["all"], "adapter": None},
    ],
)
def test_what_is_trained_above_fits(tiny, settings, tmp_path):
    nlp = initialize(tiny, separate_layers=2, **settings)
    text = f"{QUESTIONS[0]} [SEP] {CONTEXT}"
    expected = nlp(text)._.trf_data.model_output.last_hidden_state
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe("transformer").shim.settings.separate_layers == 2
    found = loaded(text)._.trf_data.model_output.last_hidden_state
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("model_type", ["albert", "distilbert", "gpt2", "xlnet", "longformer"])
def test_types_that_cannot_are_an_error(backbones, model_type):
    with pytest.raises(ValueError, match="B012.*separate_layers"):
        initialize(backbones(model_type), separate_layers=1, trainable=[], adapter=None)


def test_no_states_of_segments_without_separate_layers(backbones):
    schedule = make_schedule(backbones("bert"), 0)
    assert isinstance(schedule.segments, SegmentReader)
    with pytest.raises(ValueError, match="B804"):
        schedule.read_segments([])
