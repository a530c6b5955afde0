"""A corpus that components of the pipeline annotate."""

from collections.abc import Callable, Iterable, Iterator

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry

from ..errors import Errors

Reader = Callable[[Language], Iterable[Example]]


class AnnotatedCorpus:
    """Reads a corpus and lets components of the pipeline annotate it.

    corpus (Callable[[Language], Iterable[Example]]): Reads the texts.
    annotating_components (list[str]): Names of components.
    """

    def __init__(self, corpus: Reader, annotating_components: list[str]):
        self.corpus = corpus
        self.annotating_components = annotating_components

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
