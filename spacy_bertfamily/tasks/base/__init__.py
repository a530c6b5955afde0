"""What the components of all tasks share.

The names in `__all__` are public, so that other packages can add tasks. A task consists of a
component, a head that takes `list[TransformerData]`, and a registered architecture, which joins the
head to a `spacy-bertfamily.TransformerListener.v1` with `chain_head`. tests/plugin/toy_tagger.py is
an example.
"""

from ...shards import batch_total
from ...transformer.listener import name_component, skip_update
from ...transformer.model import has_states
from ...transformer.upstream import find_shim, require_shim
from ...windows.layout import Layout, layout_of
from .model import chain_head, require_loaded_shim, token_vectors
from .pipeline_aware import PipelineAware
from .texts import find_surrogate, shorten

__all__ = [
    "Layout",
    "PipelineAware",
    "batch_total",
    "chain_head",
    "find_shim",
    "find_surrogate",
    "has_states",
    "layout_of",
    "name_component",
    "require_loaded_shim",
    "require_shim",
    "shorten",
    "skip_update",
    "token_vectors",
]
