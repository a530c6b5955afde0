"""The settings of `pair_classifier`: their defaults, and their check."""

from numbers import Real
from typing import Any

from ...annotation.pair_scores import PLACES
from ...errors import Errors

MODES = ("exclusive", "multilabel", "regression")

DEFAULT_CONFIG = """
[pair_classifier]
mode = "exclusive"
threshold = 0.5
class_weights = null
clip = false
pairs_only = false
assigns = "doc.cats"

[pair_classifier.scorer]
@scorers = "spacy-bertfamily.pair_classifier_scorer.v1"

[pair_classifier.model]
@architectures = "spacy-bertfamily.PairClassifier.v1"
pooling = "cls"
hidden_size = null
dropout = null
mix = null

[pair_classifier.model.tok2vec]
@architectures = "spacy-bertfamily.TransformerListener.v1"
upstream = "*"
"""

SCORE_WEIGHTS = {
    "cats_score": 1.0,
    "cats_score_desc": None,
    "cats_acc": None,
    "cats_mcc": None,
    "cats_macro_f": None,
    "cats_micro_f": None,
    "cats_macro_auc": None,
    "cats_f_per_type": None,
    "cats_auc_per_type": None,
    "cats_pearson": None,
    "cats_spearman": None,
}


def check_threshold(threshold: Any) -> None:
    """RAISES (BertFamilyError): If a threshold is not a number from 0 to 1."""
    if not isinstance(threshold, Real) or not 0 <= float(threshold) <= 1:
        raise Errors.B004(setting="threshold", value=threshold, allowed="from 0 to 1")


def make_cfg(mode: str, threshold: float) -> dict[str, Any]:
    """Make the values that are stored with the component.

    mode (str): One of `MODES`.
    threshold (float): From 0 to 1.
    RETURNS (dict[str, Any]): The settings, and what `initialize` learns: the labels, their weights,
        and the mean, the scale and the range of numbers.
    RAISES (BertFamilyError): If a setting is not allowed.
    """
    if mode not in MODES:
        raise Errors.B004(setting="mode", value=mode, allowed=f"one of {', '.join(MODES)}")
    check_threshold(threshold)
    return {
        "labels": [],
        "mode": mode,
        "threshold": threshold,
        "weights": {},
        "mean": 0.0,
        "scale": 1.0,
        "range": None,
    }


def check_output(name: str, mode: str, *, clip: Any, pairs_only: Any, assigns: Any) -> None:
    """Check the settings that say what is written, and where.

    name (str): The component's name.
    mode, clip, pairs_only, assigns: As in `make_pair_classifier`.
    RAISES (BertFamilyError): If a setting is not allowed.
    """
    for setting, value in (("clip", clip), ("pairs_only", pairs_only)):
        if not isinstance(value, bool):
            raise Errors.B004(setting=setting, value=value, allowed="true or false")
    if assigns not in PLACES:
        raise Errors.B004(setting="assigns", value=assigns, allowed=f"one of {', '.join(PLACES)}")
    if clip and mode != "regression":
        raise Errors.B230(name=name, mode=mode)
