"""Compare PALs with a plain restatement of the paper's equations."""

import math

import pytest
import torch

from spacy_bertfamily.adapters import PAL
from spacy_bertfamily.model_types.table import SPECS

from ..util.adapters import WIDTH, make_bert

IDS = torch.arange(12).reshape(2, 6)
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])


def attention(module, x, heads, mask):
    """Compute attention head by head and position by position, without an output matrix."""
    query, key, value = (x @ m.weight.T + m.bias for m in (module.query, module.key, module.value))
    width = x.shape[-1] // heads
    result = torch.zeros_like(x)
    for text in range(len(x)):
        for head in range(heads):
            part = slice(head * width, (head + 1) * width)
            scores = query[text, :, part] @ key[text, :, part].T / math.sqrt(width)
            scores[:, mask[text] == 0] = -math.inf
            result[text, :, part] = torch.softmax(scores, dim=-1) @ value[text, :, part]
    return result


def reference_layer(layer, module, settings, x, mask, extended):
    """Compute y = LN(FFN(h) + h + PAL(x))."""
    h = layer.attention.output.LayerNorm(
        layer.attention.output.dense(layer.attention.self(x, extended)[0]) + x
    )
    feed_forward = layer.output.dense(layer.intermediate(h))
    hidden = x @ module.projection.encode.weight.T
    if settings.attention:
        hidden = attention(module.attention, hidden, settings.heads, mask)
    pal = torch.nn.functional.gelu(hidden) @ module.projection.decode.weight.T
    return layer.output.LayerNorm(feed_forward + h + pal)


@pytest.mark.parametrize(
    "settings",
    [
        {"size": 12, "heads": 3},
        {"size": 12, "heads": 1, "shared": False},
        {"size": 7, "attention": False, "shared": False},
    ],
)
def test_equals_the_equations(settings):
    model, pal = make_bert(), PAL(init_scale=0.3, **settings)
    modules = pal.attach(model, SPECS["bert"])
    with torch.no_grad():
        with_pals = model(IDS, attention_mask=MASK).last_hidden_state
        modules.detach()
        bare = model(IDS, attention_mask=MASK).last_hidden_state
        expected = model.embeddings(IDS)
        extended = (1.0 - MASK[:, None, None, :].float()) * torch.finfo(torch.float32).min
        for depth, layer in enumerate(model.encoder.layer):
            expected = reference_layer(
                layer, modules.layers[str(depth)], pal, expected, MASK, extended
            )
    real = MASK.bool()
    torch.testing.assert_close(with_pals[real], expected[real], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(with_pals[real], bare[real], atol=1e-2)


def test_padding_does_not_change_the_result():
    model = make_bert()
    PAL(size=12, heads=3, init_scale=0.3).attach(model, SPECS["bert"])
    with torch.no_grad():
        padded = model(IDS, attention_mask=MASK).last_hidden_state[1, :4]
        alone = model(IDS[1:, :4], attention_mask=MASK[1:, :4]).last_hidden_state[0]
    torch.testing.assert_close(padded, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        # V_E and V_D once; queries, keys and values in each of three layers
        ({"size": 12, "heads": 3}, 2 * WIDTH * 12 + 3 * 3 * (12 * 12 + 12)),
        ({"size": 12, "heads": 3, "shared": False}, 3 * (2 * WIDTH * 12 + 3 * (12 * 12 + 12))),
        ({"size": 7, "attention": False, "shared": False}, 3 * 2 * WIDTH * 7),
        ({"size": 12, "heads": 3, "layers": (2,)}, 2 * WIDTH * 12 + 3 * (12 * 12 + 12)),
    ],
)
def test_number_of_parameters(settings, count):
    modules = PAL(**settings).attach(make_bert(), SPECS["bert"])
    assert sum(p.numel() for p in modules.parameters()) == count


def test_init_scale_0_is_exactly_the_identity():
    model = make_bert()
    bare = model(IDS, attention_mask=MASK).last_hidden_state
    PAL(size=12, heads=3, init_scale=0.0).attach(model, SPECS["bert"])
    assert torch.equal(model(IDS, attention_mask=MASK).last_hidden_state, bare)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 10, "heads": 3}, r"B004.*size = 10.*multiple of heads = 3"),
        ({"size": 0}, r"B004.*size.*at least 1"),
        ({"heads": 0}, r"B004.*heads.*at least 1"),
        ({"activation": "magic"}, r"B004.*activation.*'magic'.*gelu"),
        ({"init_scale": -0.1}, r"B004.*init_scale.*0 \(exactly the identity\) or more"),
        ({"inner_init_scale": 0.0}, r"B004.*inner_init_scale.*more than 0, or null"),
        ({"dropout": 1.0}, r"B004.*dropout"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        PAL(**settings)
