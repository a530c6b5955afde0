"""The corpora of a pretraining: whether they are there, and one that components annotate."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import dot_to_object, registry
from thinc.api import Config

from ..errors import Errors

Reader = Callable[[Language], Iterable[Example]]


def check_corpus(config: Config) -> None:
    """Check that the file of the texts is there, before anything is loaded.

    config (Config): The config of the pretraining.
    RAISES (BertFamilyError): If the corpus has no path, or there is nothing at its path.
    """
    config = config.interpolate()
    section = config["pretraining"]["corpus"]
    reader: Any = dot_to_object(config, section)
    while isinstance(reader.get("corpus"), dict):  # a reader around another one
        reader = reader["corpus"]
    if "path" not in reader:
        return
    path = reader["path"]
    if path is None or not Path(path).exists():
        raise Errors.B423(section=section, path=path)


class AnnotatedCorpus:
    """Reads a corpus and lets components of the pipeline annotate it.

    corpus (Callable[[Language], Iterable[Example]]): Reads the texts.
    annotating_components (list[str]): Names of components.
    """

    def __init__(self, corpus: Reader, annotating_components: list[str]):
        self.corpus = corpus
        self.annotating_components = annotating_components

    @property
    def path(self) -> Any:
        """RETURNS (Any): The path of the texts, as the reader inside has it; "" if it has none."""
        return getattr(self.corpus, "path", "")

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Read.

        nlp (Language): The pipeline.
        YIELDS (Example): Its reference is annotated.
        RAISES (BertFamilyError): If a component is missing.
        """
        missing = [name for name in self.annotating_components if name not in nlp.component_names]
        if missing:
            raise Errors.B409(missing=missing, allowed=", ".join(nlp.component_names) or "none")
        docs: Iterable[Doc] = (example.reference for example in self.corpus(nlp))
        for name in self.annotating_components:
            docs = nlp.get_pipe(name).pipe(docs)  # type: ignore[attr-defined]
        for doc in docs:
            yield Example(doc, doc)


@registry.readers("spacy-bertfamily.AnnotatedCorpus.v1")
def make_annotated_corpus(corpus: Reader, annotating_components: list[str]) -> AnnotatedCorpus:
    """Let components of the pipeline annotate a corpus, for objectives that need annotation.

    corpus (Callable[[Language], Iterable[Example]]): A reader, such as `spacy.JsonlCorpus.v1`.
    annotating_components (list[str]): Names of components in the pipeline, in order, such as a
        sourced `ner`. They stay as they are.
    RETURNS (AnnotatedCorpus): The reader.
    """
    return AnnotatedCorpus(corpus, annotating_components)
