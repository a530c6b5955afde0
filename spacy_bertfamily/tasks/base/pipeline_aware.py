"""Components that make Docs of their own, and need a pipeline for that."""

import weakref
from typing import Any

from spacy.language import Language

from ...errors import Errors


class WeakPipeline:
    """The pipeline that a component was made for, without keeping it alive; a copy or a pickle of
    it knows none.

    nlp (Language | None): The pipeline.
    """

    def __init__(self, nlp: Language | None = None):
        self._reference = None if nlp is None else weakref.ref(nlp)

    def __call__(self) -> Language | None:
        return None if self._reference is None else self._reference()

    def __reduce__(self) -> tuple[Any, ...]:
        return WeakPipeline, ()


class PipelineAware:
    """A component that knows the pipeline it was made for. It knows it weakly, because the pipeline
    holds it.
    """

    name: str

    def bind(self, nlp: Language | None) -> None:
        """Remember the pipeline that makes Docs, where a method is not given one."""
        self._nlp = WeakPipeline(nlp)

    def bound(self, method: str, nlp: Language | None = None) -> Language:
        """Find the pipeline that makes Docs.

        method (str): The method that needs it, for the error.
        nlp (Language | None): The pipeline that the method was given.
        RETURNS (Language): That, or else the one that this component was made for.
        RAISES (ValueError): If there is none, or if it does not hold this component.
        """
        nlp = self._nlp() if nlp is None else nlp
        if nlp is None or not any(component is self for _, component in nlp.components):
            raise Errors.B110(name=self.name, method=method)
        return nlp
