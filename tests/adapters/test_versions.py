"""Blocks of old versions make the same adapters as those of new versions, and stored ones load."""

import numpy as np
import pytest
import spacy
import torch

from spacy_bertfamily.adapters import PAL
from spacy_bertfamily.adapters.registry import resolve_adapter
from spacy_bertfamily.model_types.table import SPECS

from ..util.adapters import make_bert, needs_peft
from ..util.pipelines import train, vectors

SMALL = {"size": 8, "heads": 2}
PREFIX = "spacy-bertfamily.PrefixTuning"
# settings of v1, and of v2
PALS = [
    ({}, {}),
    ({"init_scale": 0.3}, {"init_scale": 0.3}),
    ({"no_op": True}, {"init_scale": 0.0}),
    ({"no_op": True, "init_scale": 0.3}, {"init_scale": 0.0, "inner_init_scale": 0.3}),
    ({"no_op": True, "shared": False}, {"init_scale": 0.0, "shared": False}),
    ({**SMALL, "no_op": False, "layers": [1]}, {**SMALL, "layers": [1]}),
]
PREFIXES = [
    ({}, {}),
    ({"tokens": 3}, {"num_virtual_tokens": 3}),
    ({"tokens": 3, "projection_size": 8}, {"num_virtual_tokens": 3, "projection_size": 8}),
]


def check_equal(old, new):
    """Check that two blocks resolve to equal settings, and these to equal modules."""
    found = []
    for block in (old, new):
        settings = resolve_adapter(block)
        model = make_bert()
        torch.manual_seed(1)
        modules = settings.attach(model, SPECS["bert"])
        found.append((settings, modules.state_dict(), torch.rand(1)))
    (settings, tensors, random), (new_settings, new_tensors, new_random) = found
    assert settings == new_settings
    assert resolve_adapter(settings.config()) == settings
    assert tensors.keys() == new_tensors.keys()
    assert all(torch.equal(tensors[name], new_tensors[name]) for name in tensors)
    assert torch.equal(random, new_random)


@pytest.mark.parametrize(("old", "new"), PALS)
def test_pals(old, new):
    name = "spacy-bertfamily.PAL"
    check_equal({"@adapters": f"{name}.v1", **old}, {"@adapters": f"{name}.v2", **new})


@needs_peft
@pytest.mark.parametrize(("old", "new"), PREFIXES)
def test_prefixes(old, new):
    check_equal({"@adapters": f"{PREFIX}.v1", **old}, {"@adapters": f"{PREFIX}.v2", **new})


@pytest.mark.parametrize("init_scale", [0.0, -0.1])
def test_init_scale_of_the_first_version(init_scale):
    block = {"@adapters": "spacy-bertfamily.PAL.v1", "init_scale": init_scale}
    with pytest.raises(ValueError, match=r"B004.*init_scale.*no_op = true"):
        resolve_adapter(block)


def test_what_the_first_version_stored_is_loaded(make_tagger, tmp_path, monkeypatch):
    """In the config, in the delta beside another adapter, and in an adapter's own file."""
    old = {"@adapters": "spacy-bertfamily.PAL.v1", **SMALL, "no_op": True}
    nlp, examples = make_tagger(trainable=["adapter"], adapter=old)
    transformer = nlp.get_pipe("transformer")
    transformer.add_adapter("other", old)
    transformer.set_adapter("other")
    train(nlp, examples)
    monkeypatch.setattr(PAL, "config", lambda self: old)
    nlp.to_disk(tmp_path / "pipeline")
    transformer.save_adapter(tmp_path / "adapter")
    monkeypatch.undo()
    loaded = spacy.load(tmp_path / "pipeline")
    assert np.array_equal(vectors(loaded), vectors(nlp))
    transformer = loaded.get_pipe("transformer")
    transformer.set_adapter(transformer.load_adapter(tmp_path / "adapter", name="again"))
    assert np.array_equal(vectors(loaded), vectors(nlp))
    # what is stored now has the new words
    loaded.to_disk(tmp_path / "new")
    assert b"PAL.v2" in loaded.get_pipe("transformer").shim.delta_bytes()
    assert np.array_equal(vectors(spacy.load(tmp_path / "new")), vectors(nlp))
