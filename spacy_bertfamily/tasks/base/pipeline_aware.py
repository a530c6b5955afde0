"""Components that make Docs themselves, and need a pipeline to do so."""

import copy
import weakref
from typing import Any, cast

from spacy.language import Language
from spacy.vocab import Vocab
from thinc.api import Model

from ...errors import Errors
from ...transformer.upstream import connected_transformers


class PipelineReference:
    """What a component needs of the pipeline that it was made for.

    The pipeline is referred to weakly, because it holds the component. Its tokenizer is kept, so
    that a component that is held alone, or was copied or unpickled, can still make Docs.

    nlp (Language | None): The pipeline; None for no pipeline.
    """

    def __init__(self, nlp: Language | None = None):
        self._reference = None if nlp is None else weakref.ref(nlp)
        self._tokenizer: Any = None if nlp is None else nlp.tokenizer
        self._batch_size = 1 if nlp is None else nlp.batch_size

    def __call__(self) -> Language | None:
        """RETURNS (Language | None): The pipeline, if there is one and it is alive."""
        if self._reference is None:
            return None
        return self._reference()

    def rebuild(self, vocab: Vocab, components: list[tuple[str, Any]]) -> Language | None:
        """Build a pipeline in the place of one that is gone.

        vocab (Vocab): The vocabulary.
        components (list[tuple[str, Any]]): The names and components that it holds.
        RETURNS (Language | None): The pipeline; None if there was none.
        """
        if self._tokenizer is None:
            return None
        nlp = Language(
            vocab, create_tokenizer=lambda _: self._tokenizer, batch_size=self._batch_size
        )
        # `Language.add_pipe` makes new components, or takes those of another pipeline
        nlp._components = components
        return nlp

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the pipeline, and take the tokenizer that it has now."""
        nlp = self()
        tokenizer = self._tokenizer if nlp is None else nlp.tokenizer
        return {"_reference": None, "_tokenizer": tokenizer, "_batch_size": self._batch_size}

    def __deepcopy__(self, memo: dict[int, Any]) -> "PipelineReference":
        """Copy the reference: to the copied pipeline, if the pipeline is copied as a whole."""
        copied = PipelineReference()
        for name, value in self.__getstate__().items():
            setattr(copied, name, copy.deepcopy(value, memo))
        copied_nlp = memo.get(id(self()))
        if copied_nlp is not None:
            copied._reference = weakref.ref(copied_nlp)
        return copied


class PipelineAware:
    """A component that knows the pipeline it was made for.

    The pipeline is not kept alive. Where it is gone, or does not hold the component any more, the
    component's tokenizer and transformer take its place.
    """

    name: str
    vocab: Vocab
    model: Model[Any, Any]
    _nlp: PipelineReference = PipelineReference()

    def attach_pipeline(self, nlp: Language | None) -> None:
        """Set the pipeline that `require_pipeline` falls back on.

        nlp (Language | None): The pipeline; None for no pipeline.
        """
        self._nlp = PipelineReference(nlp)

    def attached_pipeline(self) -> Language | None:
        """RETURNS (Language | None): The pipeline that holds this component, if it is known."""
        nlp = self._nlp()
        return nlp if nlp is not None and self._is_in(nlp) else None

    def require_pipeline(self, method: str, nlp: Language | None = None) -> Language:
        """Find the pipeline that makes Docs for a method.

        If the attached pipeline is gone, one is built of its tokenizer, the transformer that the
        component is connected to, and the component.

        method (str): The name of the method, for the error.
        nlp (Language | None): The pipeline that the method was given; None for the attached one.
        RETURNS (Language): The pipeline.
        RAISES (BertFamilyError): If there is no pipeline, or if the given one does not hold this
            component.
        """
        if nlp is None:
            nlp = self.attached_pipeline()
            if nlp is None:
                nlp = self._nlp.rebuild(self.vocab, self._own_components())
        if nlp is None or not self._is_in(nlp):
            raise Errors.B110(name=self.name, method=method)
        return nlp

    def _own_components(self) -> list[tuple[str, Any]]:
        """RETURNS (list[tuple[str, Any]]): The transformers that this reads, and this, by name."""
        transformers = connected_transformers(self.model)
        return [*((other.name, other) for other in transformers), (self.name, self)]

    def _is_in(self, nlp: Language) -> bool:
        own = cast(object, self)
        return any(component is own for _, component in nlp.components)
