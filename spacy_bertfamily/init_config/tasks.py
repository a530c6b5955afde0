"""The table of tasks that a config can be written for, one row per task."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """How the config of a task differs from those of the others.

    description (str): What the pipeline does, for the first line of the config.
    factory (str): The component's factory.
    template (str): The template of the component's block.
    scores (Mapping[str, float | None]): The score weights; None only reports a score.
    settings (Mapping[str, object]): Further variables of the template.
    batch_size (int): Examples in a step of training.
    predict_batch_size (int): Docs in a batch of `nlp.pipe`.
    dropout (float): The dropout of training.
    full_rate (float): The learning rate when the whole transformer is trained.
    note (str): What to know about the corpora, for the first lines of the config.
    mixes (bool): Whether the component can learn which layers matter.
    """

    description: str
    factory: str
    template: str
    scores: Mapping[str, float | None]
    settings: Mapping[str, object]
    batch_size: int = 32
    predict_batch_size: int = 128
    dropout: float = 0.1
    full_rate: float = 2e-4
    note: str = ""
    mixes: bool = True

    @property
    def main_score(self) -> str:
        """RETURNS (str): The score with the highest weight."""
        return max(self.scores, key=lambda name: self.scores[name] or 0.0)


_ENTS = {"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None}
_SPANS = {"spans_sc_f": 1.0, "spans_sc_p": 0.0, "spans_sc_r": 0.0}
_PARSE = {"dep_uas": 0.5, "dep_las": 0.5, "dep_las_per_type": None}
_MORPH = {"pos_acc": 0.5, "morph_acc": 0.5, "morph_per_feat": None}
_CATS = {"cats_score": 1.0}
_QA_SCORES = {"qa_f1": 1.0, "qa_em": 0.0}
_QA_NOTE = (
    "The corpora are texts 'question [SEP] context' with doc.spans[\"answers\"]; "
    "`python -m spacy bertfamily convert`\n# makes them from SQuAD, CMRC and DRCD files."
)
_GENERATED = {"generated_bleu": 1.0, "generated_chrf": 0.0, "generated_exact": 0.0}
_GENERATED_NOTE = (
    'The corpora are texts with what is to be written for them in doc.user_data["generated"];\n'
    "# `python -m spacy bertfamily convert --format text2text` makes them from tables and parallel "
    "files."
)
_PAIR = "A pipeline that classifies pairs of texts, or single texts"
_NUMBER = "A pipeline that scores pairs of texts with a number, such as how similar they are"

TASKS: dict[str, Task] = {
    "tagger": Task("A pipeline that tags words", "tagger", "tagger", {"tag_acc": 1.0}, {}),
    "morphologizer": Task(
        "A pipeline that tags words with morphology", "morphologizer", "tagger", _MORPH, {}
    ),
    "parser": Task(
        "A pipeline that parses dependencies", "parser", "transition", _PARSE,
        {"state_type": "parser"},
    ),
    "ner": Task(
        "A pipeline that finds named entities", "ner", "transition", _ENTS, {"state_type": "ner"}
    ),
    "spancat": Task(
        "A pipeline that labels spans, also overlapping ones", "spancat", "spancat", _SPANS, {}
    ),
    "textcat": Task(
        "A pipeline that classifies texts", "textcat", "textcat", _CATS, {"exclusive": True}
    ),
    "textcat_multilabel": Task(
        "A pipeline that gives texts any number of labels", "textcat_multilabel", "textcat", _CATS,
        {"exclusive": False},
    ),
    "pair": Task(
        _PAIR, "pair_classifier", "pair_classifier", _CATS, {"pair_mode": "exclusive"}
    ),
    "pair_regression": Task(
        _NUMBER, "pair_classifier", "pair_classifier", _CATS, {"pair_mode": "regression"}
    ),
    "qa": Task(
        "Extractive question answering", "span_qa", "span_qa", _QA_SCORES, {},
        batch_size=16, predict_batch_size=32, dropout=0.0, full_rate=1e-4, note=_QA_NOTE,
    ),
    "generate": Task(
        "A prefix-LM, which writes texts", "text_generator", "text_generator", _GENERATED,
        {"predict": "all"}, note=_GENERATED_NOTE, mixes=False,
    ),
}  # fmt: skip
