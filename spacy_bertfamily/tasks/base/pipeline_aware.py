"""Components that make Docs themselves, and need a pipeline to do so."""

import weakref
from typing import Any, cast

from spacy.language import Language

from ...errors import Errors


class WeakPipeline:
    """A weak reference to a pipeline, or to none. A copy or a pickle of it refers to none.

    nlp (Language | None): The pipeline.
    """

    def __init__(self, nlp: Language | None = None):
        self._reference = None if nlp is None else weakref.ref(nlp)

    def __call__(self) -> Language | None:
        """RETURNS (Language | None): The pipeline, if there is one and it is alive."""
        if self._reference is None:
            return None
        return self._reference()

    def __reduce__(self) -> tuple[Any, ...]:
        return WeakPipeline, ()


class PipelineAware:
    """A component that knows the pipeline it was made for.

    The reference is weak, because the pipeline holds the component.
    """

    name: str
    _nlp: WeakPipeline = WeakPipeline()

    def attach_pipeline(self, nlp: Language | None) -> None:
        """Set the pipeline that `require_pipeline` falls back on.

        nlp (Language | None): The pipeline; None for no pipeline.
        """
        self._nlp = WeakPipeline(nlp)

    def require_pipeline(self, method: str, nlp: Language | None = None) -> Language:
        """Find the pipeline that makes Docs for a method.

        method (str): The name of the method, for the error.
        nlp (Language | None): The pipeline that the method was given; None for the attached one.
        RETURNS (Language): The pipeline.
        RAISES (BertFamilyError): If there is no pipeline, or if it does not hold this component.
        """
        if nlp is None:
            nlp = self._nlp()
        if nlp is None or not self._is_in(nlp):
            raise Errors.B110(name=self.name, method=method)
        return nlp

    def _is_in(self, nlp: Language) -> bool:
        own = cast(object, self)
        return any(component is own for _, component in nlp.components)
