"""docs/backbones.md says what the table of model types says, and its example works."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import spacy
from transformers import BertTokenizerFast, RoFormerConfig, RoFormerModel

from spacy_bertfamily.model_types.table import SPECS

from .conftest import TAGGED, TAGGER
from .tokenizers import wordpiece_vocabulary
from .util import COMMON

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "backbones.md").read_text(encoding="utf8")


def test_page_is_up_to_date():
    script = runpy.run_path(str(ROOT / "scripts" / "make_backbones_page.py"))
    assert script["fill"](PAGE) == PAGE


@pytest.fixture
def roformer(tmp_path):
    """A backbone of a type that the table lacks."""
    RoFormerModel(RoFormerConfig(**{**COMMON, "embedding_size": 32})).save_pretrained(tmp_path)
    vocabulary = tmp_path / "vocab.txt"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary.write_text("\n".join(wordpiece_vocabulary(special)), encoding="utf8")
    BertTokenizerFast(str(vocabulary)).save_pretrained(tmp_path)
    return str(tmp_path)


def make_tagger(name, **model):
    nlp = spacy.blank("en")
    model = {"name": name, "max_pieces": 32, "stride": 8, "batch_pieces": 256, **model}
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": model})
    nlp.add_pipe("tagger", config=TAGGER)
    examples = [
        spacy.training.Example.from_dict(nlp.make_doc(text), {"tags": tags})
        for text, tags in TAGGED
    ]
    nlp.initialize(lambda: examples)
    return nlp, examples


def test_types_outside_the_table(roformer, monkeypatch):
    nlp, examples = make_tagger(roformer, adapter=None, trainable=["all"])
    losses = [nlp.update(examples, losses={})["tagger"] for _ in range(3)]
    assert losses[-1] < losses[0]
    with pytest.raises(ValueError, match=r"B008.*'roformer'.*register_model_type"):
        make_tagger(roformer, trainable=["adapter"])
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.setitem(SPECS, "roformer", None)
    exec(code, {})
    nlp, examples = make_tagger(roformer, trainable=["adapter"])
    before = nlp("green eggs")._.trf_data.model_output.last_hidden_state
    for _ in range(3):
        nlp.update(examples)
    assert not np.allclose(
        nlp("green eggs")._.trf_data.model_output.last_hidden_state, before, atol=1e-4
    )
