"""Compare pipelines: their size, speed and score, and how often they decide alike."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from spacy.language import Language
from spacy.scorer import Scorer
from spacy.tokens import Doc
from spacy.training import Corpus
from thinc.api import Model
from torch import nn

from ..errors import Errors
from ..scale.fields import FIELDS
from ..scale.pipelines import load_pipeline
from ..transformer.component import find_transformers

# The annotation of which each token's value is a decision, and spaCy's names of it.
OF_TOKENS = {
    "tags": "TAG",
    "pos": "POS",
    "morphs": "MORPH",
    "lemmas": "LEMMA",
    "deps": "DEP",
    "heads": "HEAD",
}
MEGABYTE = 1e6


@dataclass
class PipelineReport:
    """What a pipeline costs and gives.

    name (str): The pipeline.
    parameters (int): The numbers in its weights, the backbones' among them.
    megabytes (float): The size of its files without backbones, in 10^6 bytes.
    backbone_megabytes (float): The size of its backbones' files.
    score (float | None): Its scores, weighted as in `[training.score_weights]`, in percent; None
        if it has no such weights.
    equal (float): The share of its decisions that are those of the first pipeline, in percent.
    batches (list[float]): Words per CPU second in batches, of each round.
    singles (list[float]): The same for one text after the other.
    """

    name: str
    parameters: int
    megabytes: float
    backbone_megabytes: float
    score: float | None
    equal: float = 100.0
    batches: list[float] = field(default_factory=list, repr=False)
    singles: list[float] = field(default_factory=list, repr=False)

    @property
    def words_per_second(self) -> float:
        """RETURNS (float): Words per CPU second in batches, the median of all rounds."""
        return median(self.batches)

    @property
    def words_per_second_single(self) -> float:
        """RETURNS (float): The same for one text after the other."""
        return median(self.singles)


def compare_pipelines(
    pipelines: Sequence[str | Path],
    corpus: str | Path,
    *,
    rounds: int = 3,
    singles: int = 100,
    limit: int = 0,
) -> list[PipelineReport]:
    """Compare pipelines on the same Docs, in turn, in this process.

    pipelines (Sequence[str | Path]): Folders, packages or released names. The others are compared
        with the first one.
    corpus (str | Path): Annotated Docs, a file or folder as in `spacy.Corpus.v1`.
    rounds (int): How often each is timed.
    singles (int): How many texts are also read one by one in each round.
    limit (int): The most Docs that are used; 0 for all.
    RETURNS (list[PipelineReport]): In the order of the pipelines.
    RAISES (BertFamilyError): If the corpus has no words, or a setting is not allowed.
    """
    for setting, number in (("rounds", rounds), ("singles", singles)):
        if number < 1:
            raise Errors.B505(setting=setting, value=number, allowed="1 or more")
    loaded = [load_pipeline(str(name)) for name in pipelines]
    reports: list[PipelineReport] = []
    expected: list[Any] = []
    for name, nlp in zip(pipelines, loaded):
        examples = list(Corpus(Path(corpus), limit=limit)(nlp))
        if not any(len(example.reference) for example in examples):
            raise Errors.B705(path=str(corpus))
        for example, doc in zip(examples, nlp.pipe(example.predicted for example in examples)):
            example.predicted = doc
        report = describe_pipeline(str(name), nlp, Scorer(nlp).score(examples))
        decisions = [one for example in examples for one in read_decisions(example.predicted)]
        expected = expected or decisions
        report.equal = share_of_equal(decisions, expected)
        reports.append(report)
    texts = [example.reference.text for example in examples]
    for _ in range(rounds):
        for report, nlp in zip(reports, loaded):
            report.batches.append(_words_per_second(nlp.pipe(texts)))
            report.singles.append(_words_per_second(nlp(text) for text in texts[:singles]))
    return reports


def describe_pipeline(name: str, nlp: Language, scores: dict[str, Any]) -> PipelineReport:
    """RETURNS (PipelineReport): The sizes and the score of a pipeline."""
    own, backbones = measure_files(nlp)
    weights = nlp.config["training"]["score_weights"]
    known = {key: w for key, w in weights.items() if w and scores.get(key) is not None}
    score = None
    if known:
        score = 100 * sum(scores[key] * w for key, w in known.items()) / sum(known.values())
    return PipelineReport(name, count_parameters(nlp), own, backbones, score)


def count_parameters(nlp: Language) -> int:
    """RETURNS (int): The numbers in a pipeline's weights; those of a shared backbone once."""
    sizes: dict[Any, int] = {}
    for _, pipe in nlp.components:
        model = getattr(pipe, "model", None)
        for node in model.walk() if isinstance(model, Model) else ():
            for name in node.param_names:
                if node.has_param(name):
                    sizes[node.id, name] = node.get_param(name).size
            for module in (getattr(shim, "_model", None) for shim in node.shims):
                if isinstance(module, nn.Module):
                    sizes.update({id(p): p.numel() for p in module.parameters()})
    return sum(sizes.values())


def measure_files(nlp: Language) -> tuple[float, float]:
    """RETURNS (tuple[float, float]): Megabytes of a pipeline's own files, and of its backbones'."""
    transformers = find_transformers(nlp)
    folders = {pipe.shim.encoder.shared.folder.resolve() for pipe in transformers}
    backbones = sum(_count_bytes(folder) for folder in folders)
    if nlp.path is None:  # combined when it is loaded
        return len(nlp.to_bytes()) / MEGABYTE, backbones / MEGABYTE
    root = nlp.path.resolve()
    inside = sum(_count_bytes(folder) for folder in folders if root in folder.parents)
    return (_count_bytes(root) - inside) / MEGABYTE, backbones / MEGABYTE


def _count_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def read_decisions(doc: Doc) -> Iterator[Any]:
    """Read what a pipeline has decided of a Doc.

    doc (Doc): The Doc, annotated.
    YIELDS (Any): Of each token each annotation that is set and its entity, then the most probable
        category and the first answer.
    """
    for name, attribute in OF_TOKENS.items():
        yield from FIELDS[name].read(doc) if doc.has_annotation(attribute) else ()
    if doc.has_annotation("ENT_IOB"):
        yield from (f"{token.ent_iob_}-{token.ent_type_}" for token in doc)
    if doc.cats:
        yield max(doc.cats, key=lambda label: doc.cats[label])
    for answer in FIELDS["answers"].read(doc)[:1]:
        yield answer["start"], answer["end"]


def share_of_equal(decisions: Sequence[Any], expected: Sequence[Any]) -> float:
    """RETURNS (float): How many decisions are as expected, in percent."""
    equal: int = sum(one == other for one, other in zip(decisions, expected))
    return 100 * equal / max(len(decisions), len(expected), 1)


def _words_per_second(docs: Iterable[Doc]) -> float:
    start = time.process_time()
    words: int = sum(len(doc) for doc in docs)
    return words / max(time.process_time() - start, 1e-9)
