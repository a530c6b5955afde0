"""A pipeline that nobody uses any more is freed, whatever its adapter's hooks have seen."""

import gc
import weakref

import pytest

from ..util.adapters import block, kinds


def is_freed(make_tagger, **model):
    """RETURNS (bool): Whether a pipeline that was used is freed once nobody holds it."""
    nlp, examples = make_tagger(trainable=["adapter"], **model)
    nlp.update(examples)
    nlp("I like ham")
    backbone = weakref.ref(nlp.get_pipe("transformer").shim.encoder.backbone)
    del nlp, examples
    gc.collect()
    return backbone() is None


@pytest.mark.parametrize("kind", kinds())
def test_nothing_keeps_a_pipeline_alive(make_tagger, kind):
    assert is_freed(make_tagger, adapter=block(kind))


def test_counting_calls_keeps_nothing_alive(backbones, make_tagger):
    """ALBERT's layers are one module, whose adapters are chosen by the number of the call."""
    adapter = {**block("pfeiffer"), "per_depth": True}
    assert is_freed(make_tagger, name=backbones("albert"), adapter=adapter)
