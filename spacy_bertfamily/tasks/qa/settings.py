"""The settings of `span_qa`, checked."""

from dataclasses import dataclass

from ...errors import Errors

TRAIN_ON = ("first", "all")


@dataclass(frozen=True)
class QASettings:
    """What `span_qa` was given; see `make_span_qa` for the meaning of each."""

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
            if getattr(self, setting) < 1:
                self._refuse(setting, "1 or more")
        if not self.temperature > 0:
            self._refuse("temperature", "more than 0")
        if self.train_on not in TRAIN_ON:
            self._refuse("train_on", f"one of {', '.join(TRAIN_ON)}")
        if not 0 <= self.negative_rate <= 1:
            self._refuse("negative_rate", "from 0 to 1")

    def _refuse(self, setting: str, allowed: str) -> None:
        raise Errors.B004(setting=setting, value=getattr(self, setting), allowed=allowed)
