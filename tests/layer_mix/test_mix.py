"""The layer mix: formula, gradients and settings."""

import numpy as np
import pytest
import torch
from thinc.api import Adam
from transformers.modeling_outputs import ModelOutput

from spacy_bertfamily.layer_mix.fixed import fixed_mix
from spacy_bertfamily.layer_mix.mix import connect_mix, layer_mix, mix_weights
from spacy_bertfamily.layer_mix.settings import MixSettings
from spacy_bertfamily.layer_mix.states import HiddenStates

from ..util.layer_mix import gradients_for, make_data, with_last

DEPTH = 4
RAW = [0.3, -0.2, 0.9, 0.0, -0.5]


def states_of(data):
    return data.model_output["hidden_states"]


def make_mix(**settings):
    mix = layer_mix(MixSettings(**{"init": RAW, **settings}))
    connect_mix(mix, DEPTH, 5)
    return mix


def full(datas):
    return [data for data in datas if "last_hidden_state" in data.model_output]


def last(data):
    return data.model_output["last_hidden_state"]


def softmax(w):
    return np.exp(w) / np.exp(w).sum()


def allennlp_scalar_mix(tensors, mask, scalars, gamma, do_layer_norm):
    """Compute AllenNLP's scalar mix, with a layer norm over the unmasked elements of a batch."""
    weights = torch.softmax(torch.tensor(scalars, dtype=torch.float64), dim=0)
    mask = torch.tensor(mask, dtype=torch.float64).unsqueeze(-1)
    total = 0
    for weight, tensor in zip(weights, tensors):
        tensor = torch.tensor(tensor, dtype=torch.float64)
        if do_layer_norm:
            n_unmasked = mask.sum() * tensor.size(-1)
            mean = (tensor * mask).sum() / n_unmasked
            variance = (((tensor * mask - mean) * mask) ** 2).sum() / n_unmasked
            tensor = (tensor - mean) / torch.sqrt(variance + 1e-13)
        total = total + weight * tensor
    return (gamma * total * mask).numpy()


@pytest.mark.parametrize("layers", ["all", [0, 1, 2, 3, 4], [1, -1], [2]])
def test_the_mix_equals_the_formula(layers):
    numbers = range(DEPTH + 1) if layers == "all" else [layer % (DEPTH + 1) for layer in layers]
    raw = RAW[: len(numbers)]
    mix = make_mix(layers=layers, init=raw)
    mix.set_param("gamma", mix.get_param("gamma") * 1.7)
    Xs = make_data(depth=DEPTH)
    Ys = mix.predict(Xs)
    assert len(Ys) == len(Xs)
    assert "last_hidden_state" not in Ys[1].model_output  # the empty Doc
    for X, Y in zip(full(Xs), full(Ys)):
        expected = 1.7 * sum(weight * states_of(X)[j] for weight, j in zip(softmax(raw), numbers))
        np.testing.assert_allclose(last(Y), expected, rtol=1e-6, atol=1e-6)
        assert last(Y).dtype == "float32"
        assert Y.align is X.align
        assert Y.wordpieces is X.wordpieces
        assert "hidden_states" not in Y.model_output


@pytest.mark.parametrize("layer_norm", [False, True])
def test_the_mix_equals_allennlps_scalar_mix(layer_norm):
    mix = make_mix(layer_norm=layer_norm)
    Xs = full(make_data(depth=DEPTH))
    for X, Y in zip(Xs, mix.predict(Xs)):
        expected = allennlp_scalar_mix(
            states_of(X), X.wordpieces.attention_mask, RAW, 1.0, layer_norm
        )
        np.testing.assert_allclose(last(Y), expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("layer_norm", [False, True])
def test_layer_norm_ignores_padding_and_other_docs(layer_norm):
    mix = make_mix(layer_norm=layer_norm)
    Xs = make_data(depth=DEPTH)
    together, alone = mix.predict(Xs)[2], mix.predict([Xs[2]])[0]
    np.testing.assert_array_equal(last(together), last(alone))
    assert not (last(alone) * (1 - Xs[2].wordpieces.attention_mask[..., None])).any()


def loss_of(mix, Xs, dYs):
    Ys, _ = mix(Xs, is_train=False)
    return sum(float((last(Y).astype("float64") * last(dY)).sum()) for Y, dY in zip(full(Ys), dYs))


def test_the_penalty_counts_once_a_step():
    """It does not depend on how many backward passes a step has."""
    optimizer = Adam(0.01)
    mixes = [make_mix(l2=0.7), make_mix(l2=0.7)]
    Xs = make_data(depth=DEPTH)
    for _ in range(3):
        found = []
        for mix, factors in zip(mixes, ([1.0], [0.25, 0.75])):
            for factor in factors:
                Ys, backprop = mix(Xs, is_train=True)
                dYs = gradients_for(Ys)
                for dY in dYs:
                    dY.model_output["last_hidden_state"] *= factor
                backprop(dYs)
            found.append(mix.get_grad("w").copy())
            mix.finish_update(optimizer)
        np.testing.assert_allclose(*found, atol=1e-4)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("l2", [0.0, 0.7])
@pytest.mark.parametrize("per_doc", [False, True])
def test_gradients_of_weights_equal_finite_differences(layer_norm, l2, per_doc):
    factor = 4.0
    mix = make_mix(layer_norm=layer_norm, l2=l2, learn_rate_factor=factor)
    Xs = make_data(depth=DEPTH)
    Ys, backprop = mix(Xs, is_train=True)
    dYs = gradients_for(Ys)
    backprop([dYs[0], Xs[1], dYs[1]] if per_doc else dYs)
    for name, penalty in (("w", l2), ("gamma", 0.0)):
        value, epsilon = mix.get_param(name).copy(), 1e-2
        for i in range(len(value)):
            losses = []
            for sign in (1, -1):
                changed = value.copy()
                changed[i] += sign * epsilon
                mix.set_param(name, changed)
                losses.append(
                    loss_of(mix, Xs, dYs)
                    + penalty * float(((factor * changed.astype("float64")) ** 2).sum())
                )
            mix.set_param(name, value)
            numeric = (losses[0] - losses[1]) / (2 * epsilon)
            assert mix.get_grad(name)[i] == pytest.approx(numeric, rel=5e-3, abs=2e-2)


@pytest.mark.parametrize(
    "mix",
    [
        lambda: make_mix(),
        lambda: make_mix(layer_norm=True),
        lambda: make_mix(layers=[-1, 1], init=[0.5, 0.1]),
        lambda: fixed_mix("last"),
        lambda: fixed_mix("mean_last_4"),
        lambda: fixed_mix("concat_last_4"),
    ],
)
def test_gradients_of_states_equal_finite_differences(mix):
    mix, Xs, random = mix(), make_data(depth=DEPTH), np.random.default_rng(3)
    Ys, backprop = mix(Xs, is_train=True)
    dYs = gradients_for(Ys)
    dXs = backprop(dYs)
    assert len(dXs) == len(full(Xs))
    for X, dX in zip(full(Xs), dXs):
        assert len(states_of(dX)) == DEPTH + 1
        for j, gradient in enumerate(states_of(dX)):
            if gradient is None:
                assert j not in mix.attrs["numbers"]
                continue
            direction = (
                random.normal(size=gradient.shape) * X.wordpieces.attention_mask[..., None]
            ).astype("float32")
            original, epsilon, losses = states_of(X)[j], 1e-2, []
            for sign in (1, -1):
                states_of(X)[j] = original + sign * epsilon * direction
                losses.append(loss_of(mix, Xs, dYs))
            states_of(X)[j] = original
            numeric = (losses[0] - losses[1]) / (2 * epsilon)
            assert float((gradient * direction).sum()) == pytest.approx(numeric, rel=5e-3, abs=2e-2)


def test_grad_factor_scales_the_gradient_of_the_states_only():
    grads, states = [], []
    for factor in (1.0, 0.5, 0.0):
        mix = make_mix()
        Ys, backprop = mix(HiddenStates(make_data(depth=DEPTH), factor), is_train=True)
        states.append(backprop(gradients_for(Ys)))
        grads.append(mix.get_grad("w"))
    np.testing.assert_array_equal(grads[0], grads[1])
    np.testing.assert_array_equal(grads[0], grads[2])
    np.testing.assert_allclose(
        states_of(states[1][0])[2], 0.5 * states_of(states[0][0])[2], rtol=1e-6
    )
    assert all(not data.model_output for data in states[2])


@pytest.mark.parametrize(("choice", "expected"), [
    ("last", lambda hs: hs[-1]),
    ("mean_last_4", lambda hs: np.mean(hs[-4:], axis=0)),
    ("concat_last_4", lambda hs: np.concatenate(hs[-4:], axis=-1)),
])  # fmt: skip
def test_fixed_choices_of_layers(choice, expected):
    mix = fixed_mix(choice)
    Xs = make_data(depth=DEPTH)
    for X, Y in zip(full(Xs), full(mix.predict(Xs))):
        np.testing.assert_allclose(last(Y), expected(states_of(X)), rtol=1e-6, atol=1e-6)
        assert last(Y).shape[-1] == mix.get_dim("nO")


def test_initial_weights_can_be_set():
    uniform, start = make_mix(init="uniform"), make_mix(init="last")
    np.testing.assert_allclose(mix_weights(uniform)[0], [0.2] * 5, rtol=1e-6)
    np.testing.assert_allclose(mix_weights(start)[0], [0.025] * 4 + [0.9], rtol=1e-5)
    np.testing.assert_allclose(mix_weights(make_mix())[0], softmax(RAW), rtol=1e-5)
    assert all(mix_weights(mix)[1] == pytest.approx(1.0) for mix in (uniform, start))
    np.testing.assert_allclose(mix_weights(make_mix(init="last", layers=[-1]))[0], [1.0])


def test_the_learning_rate_factor_scales_the_steps_of_adam():
    """Raw weights move as with a learning rate multiplied by the factor."""
    moved = []
    for factor, rate in ((1.0, 0.05), (10.0, 0.005)):
        mix = make_mix(learn_rate_factor=factor)
        optimizer = Adam(rate, L2=0.0, grad_clip=0.0, use_averages=False)
        for step in range(5):
            Ys, backprop = mix(make_data(depth=DEPTH), is_train=True)
            backprop(gradients_for(Ys, seed=step))
            mix.finish_update(optimizer)
        moved.append((*(mix.get_param("w") * factor), mix.get_param("gamma")[0] * factor))
    np.testing.assert_allclose(moved[0], moved[1], rtol=1e-4)
    assert not np.allclose(moved[0][:5], RAW, atol=0.05)


def test_gamma_is_constant_if_it_is_not_learned():
    mix = make_mix(learn_gamma=False)
    for _ in range(3):
        Ys, backprop = mix(make_data(depth=DEPTH), is_train=True)
        backprop(gradients_for(Ys))
        mix.finish_update(Adam(0.1))
    assert mix_weights(mix)[1] == pytest.approx(1.0)
    assert not np.allclose(mix_weights(mix)[0], softmax(RAW))


def test_layer_dropout_drops_layers_in_training_only():
    mix = make_mix(layer_dropout=0.5)
    X = make_data(n_docs=1, depth=DEPTH)[0]
    for j in range(DEPTH + 1):  # states whose mix equals the weights
        X.model_output["hidden_states"][j] = np.zeros((1, 1, 5), dtype="float32")
        X.model_output["hidden_states"][j][..., j] = 1
    np.random.seed(0)
    seen = set()
    for _ in range(40):
        Ys, backprop = mix([X], is_train=True)
        weights = last(Ys[0])[0, 0]
        assert weights.sum() == pytest.approx(1, abs=1e-5)
        kept = weights > 0
        np.testing.assert_allclose(
            weights[kept] / weights[kept].sum(), softmax(np.array(RAW)[kept]), rtol=1e-4
        )
        gradient = with_last(Ys[0], np.ones((1, 4, 1)))
        gradient.model_output["last_hidden_state"] = np.arange(5, dtype="float32").reshape(1, 1, 5)
        mix.set_grad("w", np.zeros(5, dtype="float32"))
        backprop([gradient])
        assert not mix.get_grad("w")[~kept].any()
        seen.add(tuple(kept))
    assert len(seen) > 5
    np.testing.assert_allclose(last(mix.predict([X])[0])[0, 0], softmax(RAW), rtol=1e-5)


def test_copies_and_bytes_round_trip():
    mix = make_mix()
    mix.set_param("w", mix.get_param("w") + 0.1 * np.arange(5, dtype="float32"))
    loaded = layer_mix(MixSettings()).from_bytes(mix.to_bytes())
    Xs = make_data(depth=DEPTH)
    for other in (loaded, mix.copy()):
        np.testing.assert_array_equal(last(other.predict(Xs)[0]), last(mix.predict(Xs)[0]))


@pytest.mark.parametrize(("settings", "message"), [
    ({"layers": "last"}, r"\[B301\] layers = 'last'"),
    ({"layers": []}, r"\[B301\] layers = \[\]"),
    ({"layers": [1, 1]}, r"\[B301\] layers = \[1, 1\]"),
    ({"init": "random"}, r"\[B004\] init = 'random'"),
    ({"l2": -1.0}, r"\[B004\] l2 = -1.0"),
    ({"layer_dropout": 1.0}, r"\[B004\] layer_dropout = 1.0"),
    ({"learn_rate_factor": 0.0}, r"\[B004\] learn_rate_factor = 0.0"),
])  # fmt: skip
def test_invalid_settings_are_an_error(settings, message):
    with pytest.raises(ValueError, match=message):
        MixSettings(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"layers": [0, 5], "init": "uniform"},
            r"\[B302\] layers = \[0, 5\] does not fit the backbone: it has 4 layers",
        ),
        ({"layers": [4, -1], "init": "uniform"}, r"\[B302\] layers = \[4, -1\]"),
        ({"init": [0.0, 0.0]}, r"\[B305\] init has 2 weights, but the mix has 5"),
        (
            {"layers": [0, 1], "init": "last"},
            r"\[B306\] init = 'last' starts with the last hidden state, 4",
        ),
    ],
)
def test_settings_that_do_not_fit_the_backbone_are_an_error(settings, message):
    with pytest.raises(ValueError, match=message):
        make_mix(**settings)


def test_a_mix_cannot_be_connected_to_a_backbone_of_another_depth():
    with pytest.raises(ValueError, match=r"\[B304\] A layer mix was made for nL = 5"):
        connect_mix(make_mix(), 6, 5)
    with pytest.raises(ValueError, match=r"\[B304\] A layer mix was made for nO = 5"):
        connect_mix(make_mix(), DEPTH, 7)


def test_an_unknown_choice_is_an_error():
    with pytest.raises(
        ValueError, match=r"\[B004\] choice = 'first' is not allowed: one of last, mean_last_4"
    ):
        fixed_mix("first")


def test_states_that_were_not_kept_are_an_error():
    Xs = make_data(depth=DEPTH)
    Xs[0].model_output["hidden_states"][2] = None
    with pytest.raises(ValueError, match=r"\[B303\] A layer mix reads the hidden states 'all'"):
        make_mix().predict(Xs)
    assert last(make_mix(layers=[0, 4], init="uniform").predict(Xs)[0]).shape == (1, 4, 5)
    Xs[0].model_output = ModelOutput(last_hidden_state=last(Xs[0]))
    with pytest.raises(ValueError, match=r"\[B303\]"):
        make_mix().predict(Xs)
