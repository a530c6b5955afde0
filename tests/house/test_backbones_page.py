"""docs/backbones.md agrees with the table of model types, and its example runs."""

import re
import runpy

import numpy as np
import pytest
from transformers import BertTokenizerFast, RoFormerConfig, RoFormerModel

from spacy_bertfamily.model_types.table import SPECS

from ..util.backbones import COMMON
from ..util.files import ROOT
from ..util.pipelines import train, vectors
from ..util.tokenizers import wordpiece_vocabulary

PAGE = (ROOT / "docs" / "backbones.md").read_text(encoding="utf8")


def test_page_is_up_to_date():
    script = runpy.run_path(str(ROOT / "scripts" / "make_backbones_page.py"))
    assert script["fill"](PAGE) == PAGE


@pytest.fixture
def roformer(tmp_path):
    """A backbone of a type that is not in the table."""
    RoFormerModel(RoFormerConfig(**{**COMMON, "embedding_size": 32})).save_pretrained(tmp_path)
    vocabulary = tmp_path / "vocab.txt"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary.write_text("\n".join(wordpiece_vocabulary(special)), encoding="utf8")
    BertTokenizerFast(str(vocabulary)).save_pretrained(tmp_path)
    return str(tmp_path)


def test_types_outside_the_table_train_as_a_whole_or_after_registration(
    roformer, make_tagger, monkeypatch
):
    nlp, examples = make_tagger(name=roformer, adapter=None, trainable=["all"])
    losses = [nlp.update(examples, losses={})["tagger"] for _ in range(3)]
    assert losses[-1] < losses[0]
    with pytest.raises(ValueError, match=r"B008.*'roformer'.*register_model_type"):
        make_tagger(name=roformer, trainable=["adapter"])
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.setitem(SPECS, "roformer", None)
    exec(code, {})
    nlp, examples = make_tagger(name=roformer, trainable=["adapter"])
    before = vectors(nlp)
    train(nlp, examples)
    assert not np.allclose(vectors(nlp), before, atol=1e-4)
