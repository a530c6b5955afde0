"""A question answering head with random weights, ours and transformers', on the same backbone."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import spacy
import torch
from spacy.training import Example
from transformers import BertConfig, BertForQuestionAnswering

from benchmarks.defaults import BACKBONE
from spacy_bertfamily.annotation.answers import set_answers
from spacy_bertfamily.backbone import load_backbone


@dataclass(frozen=True)
class RandomQA:
    """The same head in two libraries.

    nlp (Language): Our pipeline of transformer and `span_qa`.
    reference (BertForQuestionAnswering): transformers' model.
    tokenizer (PreTrainedTokenizerFast): The backbone's tokenizer.
    """

    nlp: spacy.Language
    reference: Any
    tokenizer: Any


def make_random_qa(null_threshold: float | None, **model: Any) -> RandomQA:
    """Make the pipeline and the reference.

    null_threshold (float | None): The setting of `span_qa`.
    model (Any): Settings of the transformer's model: windows and precision.
    RETURNS (RandomQA): Both.
    """
    nlp = spacy.blank("en")
    settings = {"batch_pieces": 4096, "trainable": [], "adapter": None, **model}
    nlp.add_pipe("adapter_transformer", name="transformer", config={"model": settings})
    qa: Any = nlp.add_pipe("span_qa", config={"null_threshold": null_threshold})
    nlp.initialize(lambda: [make_example(nlp)])
    head = qa.model.get_ref("head")
    rng = np.random.default_rng(0)
    weights = rng.normal(scale=0.1, size=head.get_param("W").shape).astype("float32")
    head.set_param("W", weights)
    backbone = load_backbone(BACKBONE)
    reference: Any = BertForQuestionAnswering(BertConfig.from_dict(backbone.config.to_dict()))
    reference.eval()
    reference.bert.load_state_dict(backbone.model.state_dict(), strict=False)
    reference.qa_outputs.weight.data = torch.from_numpy(weights)
    reference.qa_outputs.bias.data.zero_()
    return RandomQA(nlp, reference, backbone.tokenizer)


def make_example(nlp: spacy.Language) -> Example:
    """RETURNS (Example): One that `span_qa` can be initialized with."""
    doc = nlp.make_doc("who ? [SEP] ann")
    set_answers(doc, [])
    return Example(nlp.make_doc(doc.text), doc)
