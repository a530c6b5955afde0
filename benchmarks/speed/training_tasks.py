"""The tasks of the training benchmark: examples, our pipelines, and spacy-transformers'."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.defaults import BACKBONE, LISTENER

MIX = {"@layers": "spacy-bertfamily.LayerMix.v1"}
MIX_LISTENER = {
    "@architectures": "spacy-bertfamily.WeightedLayerListener.v1",
    "mix": MIX,
    "pooling": {"@layers": "reduce_mean.v1"},
}
TEXTCAT = {
    "@architectures": "spacy.TextCatReduce.v1",
    "tok2vec": LISTENER,
    "exclusive_classes": True,
    "use_reduce_first": False,
    "use_reduce_last": False,
    "use_reduce_max": False,
    "use_reduce_mean": True,
}
BOTTLENECK = {"@adapters": "spacy-bertfamily.Bottleneck.v1", "size": 64}
TOP_BOTTLENECK = {**BOTTLENECK, "layers": [4, 5]}
LORA = {"@adapters": "spacy-bertfamily.LoRA.v1", "rank": 8}
ADAPTERS = {"trainable": ["adapter"], "adapter": BOTTLENECK}
TOP_ADAPTERS = {"trainable": ["adapter"], "adapter": TOP_BOTTLENECK}
# The transformer's settings by way; what is cached follows from what is trained
OURS: dict[str, dict[str, Any]] = {
    "full": {"trainable": ["all"], "adapter": None},
    "adapters": ADAPTERS,
    "adapters, bfloat16": {**ADAPTERS, "precision": "bfloat16"},
    "adapters, gradient checkpointing": {**ADAPTERS, "gradient_checkpointing": True},
    "LoRA": {"trainable": ["adapter"], "adapter": LORA},
    "top:2": {"trainable": ["top:2"], "adapter": None},
    "adapters in the top third": TOP_ADAPTERS,
    "adapters in the top third, no cache": {**TOP_ADAPTERS, "cache_mb": 0},
    "frozen, learned mix": {"trainable": [], "adapter": None},
}


@dataclass(frozen=True)
class Task:
    """A task.

    file (str): Its training data, in the folder that holds the corpora.
    batch (int): Examples in a batch.
    read (Callable[[Path, Language], Iterator[Doc]]): Reads the file.
    ours (Callable[[bool], dict[str, Any]]): From whether layers are mixed to factory and config of
        the component that is trained on our transformer.
    theirs (Callable[[], dict[str, Any]]): The same for spacy-transformers.
    """

    file: str
    batch: int
    read: Callable[[Path, Any], Iterator[Any]]
    ours: Callable[[bool], dict[str, Any]]
    theirs: Callable[[], dict[str, Any]]

    def read_examples(self, data: Path, nlp: Any, number: int) -> list[Any]:
        """RETURNS (list[Example]): The first examples, in the gold words, without predictions."""
        from spacy.tokens import Doc
        from spacy.training import Example

        examples = []
        for gold in islice(self.read(data / self.file, nlp), number):
            words = [token.text for token in gold]
            spaces = [bool(token.whitespace_) for token in gold]
            examples.append(Example(Doc(nlp.vocab, words=words, spaces=spaces), gold))
        return examples

    def make_ours(self, way: str) -> Any:
        """RETURNS (Language): Our transformer with one of the settings of OURS."""
        import spacy

        nlp = spacy.blank("en")
        model = {"name": BACKBONE, **OURS[way]}
        nlp.add_pipe("adapter_transformer", name="transformer", config={"model": model})
        nlp.add_pipe(**self.ours("mix" in way))
        return nlp

    def make_theirs(self) -> Any:
        """RETURNS (Language): spacy-transformers, fine-tuned as a whole; each Doc is one window."""
        import spacy

        from spacy_bertfamily.backbone.locate import locate

        nlp = spacy.blank("en")
        model = {
            "@architectures": "spacy-transformers.TransformerModel.v3",
            "name": str(locate(BACKBONE)),
            "get_spans": {"@span_getters": "spacy-transformers.doc_spans.v1"},
            "tokenizer_config": {"use_fast": True},
        }
        nlp.add_pipe("transformer", config={"model": model})
        nlp.add_pipe(**self.theirs())
        return nlp


def _read_tags(path: Path, nlp: Any) -> Iterator[Any]:
    from benchmarks import corpora

    return corpora.read_ud_tags(path, nlp.vocab)


def _read_pairs(path: Path, nlp: Any) -> Iterator[Any]:
    from benchmarks import corpora

    return corpora.read_pairs(path, nlp)


def _tagger(mixed: bool = False) -> dict[str, Any]:
    tok2vec = MIX_LISTENER if mixed else LISTENER
    model = {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}
    return {"factory_name": "tagger", "config": {"model": model}}


def _pair_classifier(mixed: bool) -> dict[str, Any]:
    mix = MIX if mixed else None
    return {"factory_name": "pair_classifier", "config": {"model": {"mix": mix}}}


def _textcat() -> dict[str, Any]:
    return {"factory_name": "textcat", "config": {"model": TEXTCAT}}


TASKS = {
    "tagger": Task("ud_english_ewt/en_ewt-ud-train.conllu.gz", 32, _read_tags, _tagger, _tagger),
    "pairs": Task("rte/train.jsonl.gz", 16, _read_pairs, _pair_classifier, _textcat),
}
