"""The settings of `text_generator`: their defaults, and their check."""

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from ...errors import Errors

TRAIN_ON = ("first", "random")
# Beyond these, numbers that are computed with them overflow: scores divided by the temperature,
# and lengths of up to a million pieces to the power of the penalty.
LEAST_TEMPERATURE = 1e-30
LARGEST_PENALTY = 50.0
# What torch's generators take.
LARGEST_SEED = 2**64 - 1
DEFAULT_CONFIG = """
[text_generator]
max_length = 64
min_length = 0
num_beams = 1
length_penalty = 1.0
no_repeat_ngram = 0
num_return = 1
sample = false
temperature = 1.0
top_k = 0
top_p = 1.0
seed = null
train_on = "random"

[text_generator.model]
@architectures = "spacy-bertfamily.PrefixLM.v1"

[text_generator.model.tok2vec]
@architectures = "spacy-bertfamily.TransformerListener.v1"
upstream = "*"

[text_generator.scorer]
@scorers = "spacy-bertfamily.text_generator_scorer.v1"
"""

SCORE_WEIGHTS = {
    "generated_bleu": 1.0,
    "generated_chrf": None,
    "generated_exact": None,
    "generated_wer": None,
    "generated_cer": None,
}


@dataclass(frozen=True)
class GenerationSettings:
    """The settings of `text_generator`; `make_text_generator` describes each."""

    max_length: int = 64
    min_length: int = 0
    num_beams: int = 1
    length_penalty: float = 1.0
    no_repeat_ngram: int = 0
    num_return: int = 1
    sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None
    train_on: str = "random"

    def __post_init__(self) -> None:
        for setting in ("max_length", "num_beams", "num_return"):
            self._check_count(setting, 1)
        for setting in ("min_length", "no_repeat_ngram", "top_k"):
            self._check_count(setting, 0)
        if self.seed is not None:
            self._check_seed()
        self._check_numbers()
        self._check_together()

    def _check_count(self, setting: str, least: int) -> None:
        if not _is_number(getattr(self, setting), Integral, least):
            self._refuse(setting, f"a whole number, {least} or more")

    def _check_seed(self) -> None:
        if not _is_number(self.seed, Integral, 0) or int(self.seed or 0) > LARGEST_SEED:
            self._refuse("seed", f"null, or a whole number from 0 to {LARGEST_SEED}")

    def _check_numbers(self) -> None:
        if not _is_number(self.length_penalty, Real) or abs(self.length_penalty) > LARGEST_PENALTY:
            allowed = f"a number from {-LARGEST_PENALTY} to {LARGEST_PENALTY}"
            self._refuse("length_penalty", allowed)
        if not _is_number(self.temperature, Real, LEAST_TEMPERATURE):
            self._refuse("temperature", f"a number above 0, {LEAST_TEMPERATURE} or more")
        if not _is_number(self.top_p, Real, 0) or not 0 < self.top_p <= 1:
            self._refuse("top_p", "more than 0 and at most 1")
        if not isinstance(self.sample, bool):
            self._refuse("sample", "True or False")
        if self.train_on not in TRAIN_ON:
            self._refuse("train_on", f"one of {', '.join(TRAIN_ON)}")

    def _check_together(self) -> None:
        if self.min_length > self.max_length:
            self._refuse("min_length", f"at most max_length = {self.max_length}")
        if self.sample and self.num_beams > 1:
            self._refuse("num_beams", "1 with sample = true")
        if not self.sample and self.num_return > self.num_beams:
            allowed = f"at most num_beams = {self.num_beams}, or any number with sample = true"
            self._refuse("num_return", allowed)

    def _refuse(self, setting: str, allowed: str) -> None:
        raise Errors.B004(setting=setting, value=getattr(self, setting), allowed=allowed)


def _is_number(value: Any, kind: type, least: float = -math.inf) -> bool:
    """RETURNS (bool): Whether a value is a finite number of a kind, and not below another one."""
    if not isinstance(value, kind) or isinstance(value, bool):
        return False
    number: Any = value
    return bool(math.isfinite(number) and number >= least)
