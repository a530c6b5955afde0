"""Heads that files lack have defined weights, for all types."""

import warnings

import pytest
import torch

from spacy_bertfamily.backbone import load_backbone
from spacy_bertfamily.backbone.lm_head import load_lm_head

from ..util.pretraining import MASKED_TYPES


@pytest.fixture
def undefined_is_nan():
    """Memory that nobody writes to holds NaN."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.utils.deterministic.fill_uninitialized_memory
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("model_type", MASKED_TYPES)
def test_a_head_that_files_lack_is_drawn_whole(model_type, backbones, undefined_is_nan):
    shared = load_backbone(backbones(model_type))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what has no deterministic form
        head, is_own = load_lm_head(shared.name, shared.folder, shared.config)
    assert not is_own
    tensors = head.tensors()
    assert tensors
    for name, tensor in tensors.items():
        assert tensor.isfinite().all(), name
        if name.endswith("bias"):
            assert not tensor.any(), name
