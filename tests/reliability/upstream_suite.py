"""A pytest plugin that runs the tests of spacy-transformers with our transformer.

    python -m pytest --pyargs spacy_transformers.tests -p tests.reliability.upstream_suite

The factory `transformer` and the architectures `spacy-transformers.TransformerModel.v3`,
`Tok2VecTransformer.v1` and `Tok2VecTransformer.v3` are ours, and every backbone is a tiny random
one. The tests of what differs on purpose are listed below with their reasons, and must fail.
"""

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import registry
from spacy_transformers import architectures
from spacy_transformers.data_classes import FullTransformerBatch
from thinc.api import Model
from thinc.types import Floats2d, Ragged

from spacy_bertfamily.transformer.builders import (
    make_adapter_tok2vec,
    make_adapter_transformer_model,
)
from spacy_bertfamily.transformer.component import AdapterTransformer

from ..util.backbones import make_backbone

SLOW_TOKENIZER = "slow tokenizers and model.tokenizer; ours needs offsets of a fast tokenizer"
OWN_MODEL = (
    "their wrapper of Hugging Face models, which ours does not use, and backbones on the hub"
)
DIFFERENT = {
    "test_pipeline_component.py::test_replace_listeners": (
        "names of layers and architectures after replace_listeners, and pooler_output and "
        "attentions in doc._.trf_data"
    ),
    "test_pipeline_component.py::test_source_replace_listeners": (
        "the name of the architecture after replace_listeners"
    ),
    "test_serialize.py::test_initialized_transformer_tobytes": SLOW_TOKENIZER,
    "test_serialize.py::test_initialized_transformer_todisk": SLOW_TOKENIZER,
    "test_serialize.py::test_transformer_pipeline_todisk_settings": (
        "attentions, and changes of model.tokenizer and model.transformer after initialization, "
        "in storage; ours stores trained weights, and the backbone unchanged"
    ),
    "test_tok2vectransformer.py": (
        "the output of the first layer of Tok2VecTransformer, a batch; ours returns Docs"
    ),
    "test_model_wrapper.py": OWN_MODEL,
    "test_model_sequence_classification.py": OWN_MODEL,
    "test_deprecations.py": OWN_MODEL,
}


@cache
def backbone() -> str:
    """RETURNS (str): The folder of a tiny random DistilBERT."""
    return str(make_backbone("distilbert", Path(tempfile.mkdtemp(prefix="backbone-"))))


def transformer_model(
    name: str,
    get_spans: Callable,
    tokenizer_config: dict = {},  # noqa: B006  (the signature that is replaced)
    transformer_config: dict = {},  # noqa: B006
    mixed_precision: bool = False,
    grad_scaler_config: dict = {},  # noqa: B006
) -> Model[list[Doc], FullTransformerBatch]:
    """Make the architecture `spacy-transformers.TransformerModel.v3`; everything is trained."""
    return make_adapter_transformer_model(backbone(), ["all"], 32, 8, 512, "float32", None, None)


def tok2vec_transformer(
    name: str,
    get_spans: Callable,
    tokenizer_config: dict,
    pooling: Model[Ragged, Floats2d],
    grad_factor: float = 1.0,
    transformer_config: dict = {},  # noqa: B006
    mixed_precision: bool = False,
    grad_scaler_config: dict = {},  # noqa: B006
) -> Model[list[Doc], list[Floats2d]]:
    """Make the architecture `spacy-transformers.Tok2VecTransformer.v3`."""
    return make_adapter_tok2vec(transformer_model(name, get_spans), pooling, grad_factor)


def transformer(
    nlp: Language, name: str, model: Model, set_extra_annotations: Callable, max_batch_items: int
) -> AdapterTransformer:
    """Make the component for the factory `transformer`."""
    return AdapterTransformer(nlp.vocab, model, set_extra_annotations, name=name)


def pytest_configure(config: Any) -> None:
    # Replace the targets of their entry points, which a registry asks first.
    architectures.create_TransformerModel_v3 = transformer_model
    architectures.transformer_tok2vec_v1 = architectures.transformer_tok2vec_v3 = (
        tok2vec_transformer
    )
    registry.factories.register("transformer", func=transformer)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        file = item.path.name
        reason = DIFFERENT.get(f"{file}::{item.name}", DIFFERENT.get(file))
        if reason is not None:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
