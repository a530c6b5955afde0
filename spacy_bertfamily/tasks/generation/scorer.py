"""The registered scorer of `text_generator`."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from spacy.training import Example
from spacy.util import registry

from ...annotation.generated import get_generated, reference_texts
from ...errors import Errors

Scorer = Callable[..., dict[str, Any]]
METRICS = ("bleu", "chrf", "exact", "wer", "cer")
# The distribution that each metric needs.
LIBRARIES = {"bleu": "sacrebleu", "chrf": "sacrebleu", "wer": "jiwer", "cer": "jiwer"}


@registry.scorers("spacy-bertfamily.text_generator_scorer.v1")
def make_text_generator_scorer(
    metrics: list[str] = list(METRICS),  # noqa: B006
    lowercase: bool = True,
    tokenize: str = "13a",
) -> Scorer:
    """Make a scorer of written texts.

    metrics (list[str]): Out of `bleu` and `chrf` (by sacrebleu), `exact` match, and the error rates
        of words and characters, `wer` and `cer` (by jiwer).
    lowercase (bool): Whether case is ignored, as a backbone without case needs it.
    tokenize (str): How BLEU finds words: one of sacrebleu's tokenizers, such as `13a`, or `zh` for
        Chinese.
    RETURNS (Callable): The scorer.
    RAISES (BertFamilyError): If a metric is unknown.
    """
    for metric in metrics:
        if metric not in METRICS:
            raise Errors.B004(setting="metrics", value=metric, allowed=f"out of {METRICS}")
    return partial(score_generated, metrics=tuple(metrics), lowercase=lowercase, tokenize=tokenize)


def score_generated(
    examples: Iterable[Example],
    *,
    metrics: Sequence[str] = METRICS,
    lowercase: bool = True,
    tokenize: str = "13a",
    **kwargs: Any,
) -> dict[str, Any]:
    """Score the best text of each annotated example.

    examples (Iterable[Example]): Those whose reference has no gold texts are left out.
    metrics (Sequence[str]), lowercase (bool), tokenize (str): As in the registered function.
    RETURNS (dict[str, Any]): `generated_bleu`, `generated_chrf` and `generated_exact` from 0 to 1;
        `generated_wer` and `generated_cer`, errors divided by the length of the gold text, which
        can be above 1. Of several gold texts the closest counts. None if there is nothing to score.
    RAISES (BertFamilyError): If the library of a metric is missing.
    """
    written: list[str] = []
    golds: list[list[str]] = []
    for example in examples:
        texts = reference_texts(example.reference)
        if texts:
            generated = get_generated(example.predicted)
            written.append(_normal(generated[0].text if generated else "", lowercase))
            golds.append([_normal(text, lowercase) for text in texts])
    scores: dict[str, Any] = {}
    for metric in metrics:
        score = SCORES[metric](written, golds, tokenize) if written else None
        scores[f"generated_{metric}"] = score
    return scores


def _normal(text: str, lowercase: bool) -> str:
    text = " ".join(text.split())
    return text.lower() if lowercase else text


def _import(metric: str) -> Any:
    try:
        return import_module(LIBRARIES[metric])
    except ImportError as e:
        raise Errors.B733(metric=metric, library=LIBRARIES[metric]) from e


def _streams(golds: list[list[str]]) -> list[list[str | None]]:
    """RETURNS (list[list[str | None]]): The first gold text of each example, the second, ..."""
    n = max(map(len, golds))
    return [[texts[i] if i < len(texts) else None for texts in golds] for i in range(n)]


def _bleu(written: list[str], golds: list[list[str]], tokenize: str) -> float:
    bleu = _import("bleu").corpus_bleu(written, _streams(golds), tokenize=tokenize, force=True)
    return float(bleu.score) / 100


def _chrf(written: list[str], golds: list[list[str]], tokenize: str) -> float:
    return float(_import("chrf").corpus_chrf(written, _streams(golds)).score) / 100


def _exact(written: list[str], golds: list[list[str]], tokenize: str) -> float:
    return sum(text in texts for text, texts in zip(written, golds)) / len(written)


def _error_rate(
    written: list[str], golds: list[list[str]], process: Callable[[str, str], Any]
) -> float:
    """RETURNS (float): The errors towards the closest gold texts, divided by their length."""
    errors = total = 0
    for text, texts in zip(written, golds):
        counts = []
        for gold in texts:
            found = process(gold, text)
            n_errors = found.substitutions + found.deletions + found.insertions
            length = found.hits + found.substitutions + found.deletions
            counts.append((n_errors / max(1, length), n_errors, length))
        _, n_errors, length = min(counts)
        errors += n_errors
        total += length
    return errors / max(1, total)


def _wer(written: list[str], golds: list[list[str]], tokenize: str) -> float:
    return _error_rate(written, golds, _import("wer").process_words)


def _cer(written: list[str], golds: list[list[str]], tokenize: str) -> float:
    return _error_rate(written, golds, _import("cer").process_characters)


SCORES: dict[str, Callable[[list[str], list[list[str]], str], float]] = {
    "bleu": _bleu,
    "chrf": _chrf,
    "exact": _exact,
    "wer": _wer,
    "cer": _cer,
}
