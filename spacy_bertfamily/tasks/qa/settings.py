"""The settings of `span_qa`: their defaults, and their check."""

import math
from dataclasses import dataclass
from enum import Enum
from numbers import Integral, Real
from typing import Any

from ...errors import Errors

TRAIN_ON = ("first", "all")


class Unset(Enum):
    """The default of arguments where None is a value of its own.

    UNSET (str): The argument is not given; the component's setting holds.
    """

    UNSET = "unset"

    def __repr__(self) -> str:
        return self.name


UNSET = Unset.UNSET

DEFAULT_CONFIG = """
[span_qa]
n_best = 20
max_answer_length = 30
top_k = 1
null_threshold = 0.0
temperature = 1.0
allow_overlap = false
train_on = "first"
negative_rate = 1.0

[span_qa.model]
@architectures = "spacy-bertfamily.SpanQA.v1"

[span_qa.model.tok2vec]
@architectures = "spacy-bertfamily.TransformerListener.v1"
upstream = "*"

[span_qa.scorer]
@scorers = "spacy-bertfamily.span_qa_scorer.v1"
definition = "squad"
"""

SCORE_WEIGHTS = {
    "qa_f1": 1.0,
    "qa_em": 0.0,
    "qa_has_ans_f1": None,
    "qa_has_ans_em": None,
    "qa_no_ans_f1": None,
    "qa_no_ans_em": None,
    "qa_best_f1": None,
    "qa_best_em": None,
    "qa_best_threshold": None,
}


@dataclass(frozen=True)
class QASettings:
    """The settings of `span_qa`; `make_span_qa` describes each."""

    n_best: int = 20
    max_answer_length: int = 30
    top_k: int = 1
    null_threshold: float | None = 0.0
    temperature: float = 1.0
    allow_overlap: bool = False
    train_on: str = "first"
    negative_rate: float = 1.0

    def __post_init__(self) -> None:
        for setting in ("n_best", "max_answer_length", "top_k"):
            if not _is_number(getattr(self, setting), Integral, 1):
                self._refuse(setting, "a whole number, 1 or more")
        if not _is_number(self.temperature, Real, 0) or self.temperature == 0:
            self._refuse("temperature", "a number above 0")
        if self.null_threshold is not None and not _is_number(self.null_threshold, Real):
            self._refuse("null_threshold", "a number; or None, which always answers")
        if not isinstance(self.allow_overlap, bool):
            self._refuse("allow_overlap", "True or False")
        if self.train_on not in TRAIN_ON:
            self._refuse("train_on", f"one of {', '.join(TRAIN_ON)}")
        if not _is_number(self.negative_rate, Real, 0) or self.negative_rate > 1:
            self._refuse("negative_rate", "from 0 to 1")

    def _refuse(self, setting: str, allowed: str) -> None:
        raise Errors.B004(setting=setting, value=getattr(self, setting), allowed=allowed)


def _is_number(value: Any, kind: type, least: float = -math.inf) -> bool:
    """RETURNS (bool): Whether a value is a number of a kind, and not below another one."""
    if not isinstance(value, kind) or isinstance(value, bool):
        return False
    number: Any = value
    return bool(number >= least)
